/** Numbers and vectors of the TLS presentation language (RFC 5246 section 4). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

/** Reads within bounds. @throws ProtocolError DtlsHandshake */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  /** @param what for messages of errors. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  number(size: 1 | 2 | 3): number {
    const end = this.#advance(size);
    let value = 0;
    for (let at = end - size; at < end; at++) value = (value << 8) | this.#bytes[at]!;
    return value;
  }

  take(length: number): Uint8Array {
    const end = this.#advance(length);
    return this.#bytes.subarray(end - length, end);
  }

  /** A vector whose length is written in so many bytes. */
  vector(size: 1 | 2 | 3): Uint8Array {
    return this.take(this.number(size));
  }

  /** Numbers of 16 bits in a vector. */
  numbers(size: 1 | 2): number[] {
    const inner = new ByteReader(this.vector(size), this.#what);
    const list: number[] = [];
    while (inner.left > 0) list.push(inner.number(2));
    return list;
  }

  end(): void {
    if (this.left > 0) this.#fail('its end', `${this.left} bytes more`);
  }

  #advance(length: number): number {
    if (length > this.left) this.#fail(`${length} bytes more`, `${this.left}`);
    this.#at += length;
    return this.#at;
  }

  #fail(expected: string, actual: string): never {
    throw new ProtocolError(ProtocolErrorCode.DtlsHandshake, `${this.#what}: ${expected}`, actual);
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export function number(size: 1 | 2 | 3, value: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = value >> (8 * (size - 1 - i));
  return bytes;
}

export function vector(size: 1 | 2 | 3, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts);
  return concat(number(size, content.length), content);
}

/** A vector of 16-bit numbers. */
export function numbers(size: 1 | 2, values: readonly number[]): Uint8Array {
  return vector(size, ...values.map((value) => number(2, value)));
}

export function ascii(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ (b[i] ?? 0);
  return difference === 0;
}
