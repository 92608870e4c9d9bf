/** MessageFields: texts at the top of a protobuf message whose other fields nobody here knows. What cannot be read is left alone. */

const LENGTH_DELIMITED = 2;

interface Field {
  number: number;
  /** Of the whole field, its tag included. */
  start: number;
  end: number;
  /** Where its bytes begin, when it has a length. */
  value: number | null;
}

/** The last text of a field, as protobuf has it; empty when there is none. */
export function fieldText(message: Uint8Array, number: number): string {
  const field = fieldsOf(message).findLast((one) => one.number === number && one.value !== null);
  return field ? Buffer.from(message.subarray(field.value ?? 0, field.end)).toString() : "";
}

/** The message with another text in a field. */
export function withFieldText(message: Uint8Array, number: number, text: string): Buffer {
  const others = fieldsOf(message).filter((field) => field.number !== number);
  const bytes = Buffer.from(text);
  const head = Buffer.from([...varint((number << 3) | LENGTH_DELIMITED), ...varint(bytes.length)]);
  return Buffer.concat([head, bytes, ...others.map(({ start, end }) => message.subarray(start, end))]);
}

function fieldsOf(message: Uint8Array): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at < message.length;) {
    const start = at;
    const tag = readVarint(message, at);
    if (!tag) break;
    const end = endOf(message, tag.at, tag.value & 7);
    if (end === null || end.at > message.length) break;
    fields.push({ number: tag.value >>> 3, start, end: end.at, value: end.value });
    at = end.at;
  }
  return fields;
}

/** Where a field ends, by its wire type. Null for a type that is none. */
function endOf(message: Uint8Array, at: number, type: number): { at: number; value: number | null } | null {
  if (type === 1) return { at: at + 8, value: null };
  if (type === 5) return { at: at + 4, value: null };
  if (type !== 0 && type !== LENGTH_DELIMITED) return null;
  const number = readVarint(message, at);
  if (!number) return null;
  return type === 0 ? { at: number.at, value: null } : { at: number.at + number.value, value: number.at };
}

function readVarint(message: Uint8Array, from: number): { value: number; at: number } | null {
  let value = 0;
  for (let at = from, scale = 1; at < message.length && at < from + 10; at++, scale *= 128) {
    const byte = message[at] ?? 0;
    value += (byte & 127) * scale;
    if (byte < 128) return { value, at: at + 1 };
  }
  return null;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}
