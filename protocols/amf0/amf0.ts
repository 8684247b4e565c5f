import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

/** An anonymous object; the order of its properties is kept. Read untrusted names with `Object.hasOwn`. */
export interface AmfObject {
  [name: string]: AmfValue;
}

/** An ECMA array: properties like an object's, but it keeps its kind on the wire (onMetaData is one). */
export class EcmaArray {
  [name: string]: AmfValue;

  static of(properties: AmfObject): EcmaArray {
    const array = new EcmaArray();
    for (const [name, value] of Object.entries(properties)) setProperty(array, name, value);
    return array;
  }
}

export type AmfValue =
  | number
  | boolean
  | string
  | null
  | undefined
  | Date
  | AmfValue[]
  | AmfObject
  | EcmaArray;

export interface AmfLimits {
  /** Nesting of objects and arrays. Default 32. */
  maxDepth: number;
  /** Values in all, properties and elements included; what a reference points to counts again. Default 65536. */
  maxValues: number;
  /** Longest string in bytes. Default 1 MiB. */
  maxStringBytes: number;
}

const defaultLimits: AmfLimits = { maxDepth: 32, maxValues: 65536, maxStringBytes: 1024 * 1024 };

/** AMF0 section 2.1. */
const Marker = {
  Number: 0x00,
  Boolean: 0x01,
  String: 0x02,
  Object: 0x03,
  Null: 0x05,
  Undefined: 0x06,
  Reference: 0x07,
  EcmaArray: 0x08,
  ObjectEnd: 0x09,
  StrictArray: 0x0a,
  Date: 0x0b,
  LongString: 0x0c,
  Unsupported: 0x0d,
  XmlDocument: 0x0f,
  TypedObject: 0x10,
} as const;

/** Whether a value has named properties: an object or an ECMA array. */
export function isAmfObject(value: AmfValue): value is AmfObject | EcmaArray {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** An own property of an object or ECMA array; undefined for anything else. */
export function amfProperty(value: AmfValue, name: string): AmfValue {
  return isAmfObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/**
 * Reads every value of a payload (AMF0 section 2). An XML document becomes its text, a typed object a plain object,
 * Unsupported undefined; a Date's time zone is not looked at, as the specification asks.
 * @throws ProtocolError AmfMarker, AmfTruncated, AmfDepth, AmfSize or AmfReference (also for a reference to an object
 * that encloses it).
 */
export function decodeAmf(bytes: Uint8Array, limits: Partial<AmfLimits> = {}): AmfValue[] {
  const decoder = new Decoder(bytes, { ...defaultLimits, ...limits });
  const values: AmfValue[] = [];
  while (!decoder.atEnd) values.push(decoder.value(0));
  return values;
}

/**
 * Writes values one after the other. Strings above 65535 bytes become long strings; references are never written.
 * @throws ProtocolError AmfDepth above 32 levels (a cycle), AmfSize for a property name above 65535 bytes.
 */
export function encodeAmf(values: readonly AmfValue[]): Uint8Array {
  const encoder = new Encoder();
  for (const value of values) encoder.value(value, 0);
  return encoder.bytes();
}

const utf8Decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const utf8Encoder = new TextEncoder();

/** What a reference can point to. */
interface Referable {
  value: AmfValue;
  /** Values it holds, itself included; undefined while it is being read. */
  weight: number | undefined;
}

class Decoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #limits: AmfLimits;
  readonly #referables: Referable[] = [];
  #at = 0;
  #values = 0;

  constructor(bytes: Uint8Array, limits: AmfLimits) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#limits = limits;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(depth: number): AmfValue {
    this.#count(1);
    const marker = this.#uint8();
    switch (marker) {
      case Marker.Number:
        return this.#double();
      case Marker.Boolean:
        return this.#uint8() !== 0;
      case Marker.String:
        return this.#text(this.#uint16());
      case Marker.LongString:
      case Marker.XmlDocument:
        return this.#text(this.#uint32());
      case Marker.Null:
        return null;
      case Marker.Undefined:
      case Marker.Unsupported:
        return undefined;
      case Marker.Date: {
        const date = new Date(this.#double());
        this.#uint16();
        return date;
      }
      case Marker.Reference:
        return this.#reference();
      case Marker.Object:
        return this.#properties({}, depth);
      case Marker.TypedObject:
        this.#text(this.#uint16());
        return this.#properties({}, depth);
      case Marker.EcmaArray:
        // The count is a hint: real senders write 0 or a wrong one, and the end marker decides.
        this.#uint32();
        return this.#properties(new EcmaArray(), depth);
      case Marker.StrictArray:
        return this.#elements(depth);
      default:
        throw new ProtocolError(
          ProtocolErrorCode.AmfMarker,
          'a type marker of AMF0',
          `0x${marker.toString(16).padStart(2, '0')} at ${this.#at - 1}`,
        );
    }
  }

  #properties(into: AmfObject | EcmaArray, depth: number): AmfValue {
    const done = this.#enter(into, depth);
    for (;;) {
      const name = this.#text(this.#uint16());
      if (name === '' && this.#peek() === Marker.ObjectEnd) {
        this.#at++;
        break;
      }
      setProperty(into, name, this.value(depth + 1));
    }
    done();
    return into;
  }

  #elements(depth: number): AmfValue {
    const count = this.#uint32();
    if (count > this.#limits.maxValues) throw this.#tooMany(count);
    const elements: AmfValue[] = [];
    const done = this.#enter(elements, depth);
    for (let index = 0; index < count; index++) elements.push(this.value(depth + 1));
    done();
    return elements;
  }

  #enter(value: AmfValue, depth: number): () => void {
    if (depth >= this.#limits.maxDepth) {
      throw new ProtocolError(
        ProtocolErrorCode.AmfDepth,
        `at most ${this.#limits.maxDepth} levels`,
        `one more at ${this.#at}`,
      );
    }
    const referable: Referable = { value, weight: undefined };
    this.#referables.push(referable);
    const before = this.#values - 1;
    return () => {
      referable.weight = this.#values - before;
    };
  }

  #reference(): AmfValue {
    const index = this.#uint16();
    const target = this.#referables[index];
    if (target?.weight === undefined) {
      throw new ProtocolError(
        ProtocolErrorCode.AmfReference,
        `a reference to one of ${this.#referables.length} finished objects`,
        `${index}`,
      );
    }
    this.#count(target.weight);
    return target.value;
  }

  #count(values: number): void {
    this.#values += values;
    if (this.#values > this.#limits.maxValues) throw this.#tooMany(this.#values);
  }

  #tooMany(count: number): ProtocolError {
    return new ProtocolError(
      ProtocolErrorCode.AmfSize,
      `at most ${this.#limits.maxValues} values`,
      `${count} at ${this.#at}`,
    );
  }

  #text(length: number): string {
    if (length > this.#limits.maxStringBytes) {
      throw new ProtocolError(
        ProtocolErrorCode.AmfSize,
        `a string of at most ${this.#limits.maxStringBytes} bytes`,
        `${length} bytes`,
      );
    }
    const start = this.#take(length);
    return utf8Decoder.decode(this.#bytes.subarray(start, start + length));
  }

  #peek(): number | undefined {
    return this.#bytes[this.#at];
  }

  #uint8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #uint16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  #double(): number {
    return this.#view.getFloat64(this.#take(8));
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.length - start) {
      throw new ProtocolError(
        ProtocolErrorCode.AmfTruncated,
        `${length} bytes at ${start}`,
        `${this.#bytes.length - start} bytes left`,
      );
    }
    this.#at += length;
    return start;
  }
}

class Encoder {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  value(value: AmfValue, depth: number): void {
    if (value === null) this.#uint8(Marker.Null);
    else if (value === undefined) this.#uint8(Marker.Undefined);
    else if (typeof value === 'number') {
      this.#uint8(Marker.Number);
      this.#double(value);
    } else if (typeof value === 'boolean') {
      this.#uint8(Marker.Boolean);
      this.#uint8(value ? 1 : 0);
    } else if (typeof value === 'string') {
      this.#string(value);
    } else if (value instanceof Date) {
      this.#uint8(Marker.Date);
      this.#double(value.getTime());
      this.#uint16(0);
    } else {
      this.#compound(value, depth);
    }
  }

  #compound(value: AmfValue[] | AmfObject | EcmaArray, depth: number): void {
    if (depth >= defaultLimits.maxDepth) {
      throw new ProtocolError(
        ProtocolErrorCode.AmfDepth,
        `at most ${defaultLimits.maxDepth} levels`,
        'one more: is there a cycle?',
      );
    }
    if (Array.isArray(value)) {
      this.#uint8(Marker.StrictArray);
      this.#uint32(value.length);
      for (const element of value) this.value(element, depth + 1);
      return;
    }
    const properties = Object.entries(value);
    if (value instanceof EcmaArray) {
      this.#uint8(Marker.EcmaArray);
      this.#uint32(properties.length);
    } else {
      this.#uint8(Marker.Object);
    }
    for (const [name, property] of properties) {
      this.#name(name);
      this.value(property, depth + 1);
    }
    this.#uint16(0);
    this.#uint8(Marker.ObjectEnd);
  }

  #name(name: string): void {
    const text = utf8Encoder.encode(name);
    if (text.length > 0xffff) {
      throw new ProtocolError(
        ProtocolErrorCode.AmfSize,
        'a property name of at most 65535 bytes',
        `${text.length} bytes`,
      );
    }
    this.#uint16(text.length);
    this.#raw(text);
  }

  #string(value: string): void {
    const text = utf8Encoder.encode(value);
    if (text.length <= 0xffff) {
      this.#uint8(Marker.String);
      this.#uint16(text.length);
    } else {
      this.#uint8(Marker.LongString);
      this.#uint32(text.length);
    }
    this.#raw(text);
  }

  #uint8(value: number): void {
    const at = this.#take(1);
    this.#view.setUint8(at, value);
  }

  #uint16(value: number): void {
    const at = this.#take(2);
    this.#view.setUint16(at, value);
  }

  #uint32(value: number): void {
    const at = this.#take(4);
    this.#view.setUint32(at, value);
  }

  #double(value: number): void {
    const at = this.#take(8);
    this.#view.setFloat64(at, value);
  }

  #raw(bytes: Uint8Array): void {
    const at = this.#take(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** May replace buffer and view: call it before either is used. */
  #take(length: number): number {
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#at, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, start));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return start;
  }
}

/** Defines the property, so that a hostile `__proto__` is a name like any other. */
function setProperty(object: AmfObject | EcmaArray, name: string, value: AmfValue): void {
  if (name !== '__proto__') object[name] = value;
  else Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}
