/** "grpc-status" as HPACK writes a name: length and bytes, plain or in Huffman's code (RFC 7541, appendix B). */
const names = [
  Buffer.concat([Buffer.from([11]), Buffer.from('grpc-status')]),
  Buffer.from([0x88, 0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f]),
];
/** Huffman's codes of digits: five bits for 0, 1, 2, six for the others. */
const fiveBits = [0b00000, 0b00001, 0b00010];
const sixBitsOfThree = 0b011001;

/** The gRPC status in a header block that was written without HPACK's tables; undefined where there is none. */
export function grpcStatusOf(block: Buffer): number | undefined {
  for (const name of names) {
    const found = block.indexOf(name);
    if (found === -1) continue;
    const at = found + name.length;
    const length = block[at];
    if (length === undefined) return undefined;
    const value = block.subarray(at + 1, at + 1 + (length & 0x7f));
    return (length & 0x80) === 0 ? Number(value.toString('latin1')) : digitsOf(value);
  }
  return undefined;
}

function digitsOf(value: Buffer): number | undefined {
  let bits = '';
  for (const byte of value) bits += byte.toString(2).padStart(8, '0');
  let digits = '';
  while (bits.length >= 5 && !/^1+$/.test(bits)) {
    const short = fiveBits.indexOf(Number.parseInt(bits.slice(0, 5), 2));
    const digit = short === -1 ? Number.parseInt(bits.slice(0, 6), 2) - sixBitsOfThree + 3 : short;
    if (digit < 0 || digit > 9) return undefined;
    digits += digit;
    bits = bits.slice(short === -1 ? 6 : 5);
  }
  return digits === '' ? undefined : Number(digits);
}
