/** Values in playlists, read as players read them. Each throws ProtocolError HlsTag for what no player reads. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import type { ByteRange } from './playlist.ts';

/** A tag or attribute whose value is not what it must be. */
export function badValue(where: string, expected: string, actual: string | undefined): ProtocolError {
  const shown =
    actual === undefined
      ? 'nothing'
      : JSON.stringify(actual.length > 80 ? `${actual.slice(0, 80)}…` : actual);
  return new ProtocolError(ProtocolErrorCode.HlsTag, `${expected} in ${where}`, shown);
}

/** A decimal-integer up to 2^53 - 1. */
export function integer(where: string, text: string | undefined): number {
  const value = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw badValue(where, 'a decimal integer', text);
  return value;
}

/** A decimal number, not negative. */
export function decimal(where: string, text: string | undefined): number {
  if (text === undefined || !/^(?:\d{1,16}(?:\.\d{0,32})?|\.\d{1,32})$/.test(text)) {
    throw badValue(where, 'a decimal number', text);
  }
  return Number(text);
}

/** An attribute that may be absent. */
export function optional<T>(
  read: (where: string, text: string) => T,
  where: string,
  text: string | undefined,
): T | undefined {
  return text === undefined ? undefined : read(where, text);
}

export interface WrittenRange {
  readonly length: number;
  readonly offset: number | undefined;
}

/** `<n>[@<o>]` (RFC 8216 section 4.3.2.2). */
export function writtenRange(where: string, text: string): WrittenRange {
  const at = text.indexOf('@');
  if (at < 0) return { length: integer(where, text), offset: undefined };
  return { length: integer(where, text.slice(0, at)), offset: integer(where, text.slice(at + 1)) };
}

/** Follows the ranges of one kind of resource through a playlist, so that one without an offset has one. */
export class RangeResolver {
  #uri = '';
  #end = 0;

  /** @throws ProtocolError HlsTag when the range ends beyond 2^53 - 1 */
  resolve(where: string, range: WrittenRange | undefined, uri: string): ByteRange | undefined {
    if (range === undefined) {
      this.#uri = '';
      return undefined;
    }
    const offset = range.offset ?? (uri === this.#uri ? this.#end : 0);
    this.#uri = uri;
    this.#end = offset + range.length;
    if (!Number.isSafeInteger(this.#end))
      throw badValue(where, 'a range below 2^53', `${range.length}@${offset}`);
    return { length: range.length, offset };
  }
}

const DATE_TIME =
  /^(\d{4})-?(\d{2})-?(\d{2})[Tt ](\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-])(\d{2}):?(\d{2})?)?$/;

/**
 * ISO 8601 date and time as epoch ms; without a time zone it is taken as UTC. `undefined` when it is none.
 * ffmpeg writes `+0000`, without the colon.
 */
export function dateTime(text: string): number | undefined {
  const match = DATE_TIME.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second = '0', fraction = '0', , sign, zoneHour, zoneMinute] =
    match;
  const ms = Number(`0.${fraction}`) * 1000;
  const inZone =
    Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)) + ms;
  const zone = (Number(zoneHour ?? 0) * 60 + Number(zoneMinute ?? 0)) * 60_000;
  return sign === '-' ? inZone + zone : inZone - zone;
}
