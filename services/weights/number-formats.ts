/** Numbers of tensors as safetensors has them, little-endian, as every machine is that this runs on. */
export interface NumberFormat {
  readonly bytesEach: number;
  /** The first `into.length` numbers of `bytes`, which are aligned to 8. */
  decode(bytes: ArrayBuffer, into: Float64Array): void;
  /** To the nearest, ties to even; what is too large becomes infinite. */
  encode(values: Float64Array): Uint8Array;
}

/** All that weights of a model may be (`gradus_learner/models/weight_files.py`). */
export const floatFormats = { F64: float64(), F32: float32(), F16: float16(), BF16: bfloat16() } as const;
export type FloatType = keyof typeof floatFormats;

export function isFloatType(dtype: string): dtype is FloatType {
  return Object.hasOwn(floatFormats, dtype);
}

/** The narrowest that holds every number of all of them. */
export function widestOf(types: readonly FloatType[]): FloatType {
  const [first = 'F32', ...others] = new Set(types);
  if (others.length === 0) return first;
  return types.includes('F64') ? 'F64' : 'F32';
}

function float64(): NumberFormat {
  return {
    bytesEach: 8,
    decode: (bytes, into) => into.set(new Float64Array(bytes, 0, into.length)),
    encode: (values) => bytesOf(values.slice()),
  };
}

function float32(): NumberFormat {
  return {
    bytesEach: 4,
    decode: (bytes, into) => into.set(new Float32Array(bytes, 0, into.length)),
    encode: (values) => bytesOf(new Float32Array(values)),
  };
}

function float16(): NumberFormat {
  return {
    bytesEach: 2,
    decode: (bytes, into) => into.set(new Float16Array(bytes, 0, into.length)),
    encode: (values) => bytesOf(new Float16Array(values)),
  };
}

/** The upper half of a 32-bit float. */
function bfloat16(): NumberFormat {
  return {
    bytesEach: 2,
    decode(bytes, into) {
      const halves = new Uint16Array(bytes, 0, into.length);
      const bits = new Uint32Array(into.length);
      for (let index = 0; index < bits.length; index++) bits[index] = (halves[index] ?? 0) << 16;
      into.set(new Float32Array(bits.buffer));
    },
    encode(values) {
      const bits = new Uint32Array(new Float32Array(values).buffer);
      const halves = new Uint16Array(bits.length);
      for (let index = 0; index < bits.length; index++) {
        const whole = bits[index] ?? 0;
        // Rounding a NaN could carry into infinity.
        const isNan = (whole & 0x7fffffff) > 0x7f800000;
        halves[index] = isNan ? (whole >>> 16) | 0x40 : (whole + 0x7fff + ((whole >>> 16) & 1)) >>> 16;
      }
      return bytesOf(halves);
    },
  };
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
