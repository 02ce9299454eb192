/**
 * An ONNX graph of two nodes: inner products of all queries with all vectors of a block (Gemm), then the k highest of each
 * query (TopK; of equals the one that comes first). Written by hand in protobuf's wire format, so that no exporter is
 * needed: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto has the field numbers.
 *
 * | input     | type  | shape       |
 * |-----------|-------|-------------|
 * | queries   | f32   | [n, d]      |
 * | vectors   | f32   | [m, d]      |
 * | k         | i64   | [1]         |
 *
 * | output    | type  | shape       |
 * |-----------|-------|-------------|
 * | scores    | f32   | [n, k]      |
 * | positions | i64   | [n, k]      |
 */
export function nearestGraph(): Uint8Array {
  const graph = message(
    bytes(1, node('Gemm', ['queries', 'vectors'], ['products'], [integerAttribute('transB', 1)])),
    bytes(1, node('TopK', ['products', 'k'], ['scores', 'positions'], [integerAttribute('axis', 1)])),
    text(2, 'nearest'),
    bytes(11, tensor('queries', float, ['n', 'd'])),
    bytes(11, tensor('vectors', float, ['m', 'd'])),
    bytes(11, tensor('k', int64, ['one'])),
    bytes(12, tensor('scores', float, ['n', 'k'])),
    bytes(12, tensor('positions', int64, ['n', 'k'])),
  );
  const irVersion = 8;
  const operatorSet = message(text(1, ''), integer(2, 17));
  return Uint8Array.from(message(integer(1, irVersion), bytes(7, graph), bytes(8, operatorSet)));
}

/** TensorProto.DataType */
const float = 1;
const int64 = 7;

type Bytes = readonly number[];

function node(operator: string, inputs: readonly string[], outputs: readonly string[], attributes: Bytes[]): Bytes {
  return message(
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, operator),
    ...attributes.map((attribute) => bytes(5, attribute)),
  );
}

function integerAttribute(name: string, value: number): Bytes {
  const typeInteger = 2;
  return message(text(1, name), integer(3, value), integer(20, typeInteger));
}

function tensor(name: string, elementType: number, shape: readonly string[]): Bytes {
  const dimensions = shape.map((dimension) => bytes(1, text(2, dimension)));
  const tensorType = message(integer(1, elementType), bytes(2, message(...dimensions)));
  return message(text(1, name), bytes(2, bytes(1, tensorType)));
}

const message = (...fields: readonly Bytes[]): Bytes => fields.flat();
const integer = (field: number, value: number): Bytes => [...varint(field << 3), ...varint(value)];
const bytes = (field: number, content: Bytes): Bytes => [
  ...varint((field << 3) | 2),
  ...varint(content.length),
  ...content,
];
const text = (field: number, content: string): Bytes => bytes(field, [...Buffer.from(content)]);

function varint(value: number): Bytes {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}
