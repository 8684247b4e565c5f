/** Attribute lists of playlist tags (RFC 8216 section 4.2). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

export interface Attribute {
  readonly name: string;
  /** Without its quotes. */
  readonly value: string;
  readonly quoted: boolean;
}

export interface AttributeScan {
  readonly attributes: readonly Attribute[];
  /** What section 4.2 forbids and players overlook, in words: spaces, empty items, a repeated name, … */
  readonly faults: readonly string[];
  /** Why the rest of the list cannot be read at all. */
  readonly fatal: string | undefined;
}

const NAME = /^[A-Z0-9-]+$/;
const READABLE_NAME = /^[A-Za-z0-9-]+$/;

/** Reads a list as far as it can be read. Never throws. */
export function scanAttributes(text: string): AttributeScan {
  const attributes: Attribute[] = [];
  const faults = new Set<string>();
  const names = new Set<string>();
  const broken = (fatal: string): AttributeScan => ({ attributes, faults: [...faults], fatal });
  let at = 0;
  let equals = -1;
  while (at < text.length) {
    if (equals < at) equals = text.indexOf('=', at);
    if (equals < 0) equals = text.length;
    const comma = text.indexOf(',', at);
    if (comma >= 0 && comma < equals) {
      const item = text.slice(at, comma).trim();
      if (item !== '') return broken(`'${item}' has no value`);
      faults.add('an empty item');
      at = comma + 1;
      continue;
    }
    if (equals === text.length) {
      const item = text.slice(at).trim();
      if (item !== '') return broken(`'${item}' has no value`);
      faults.add('white space after the last item');
      break;
    }
    const written = text.slice(at, equals);
    const name = written.trim();
    if (!READABLE_NAME.test(name)) return broken(`'${name}' is no attribute name`);
    if (written !== name) faults.add(`white space around the name ${name}`);
    if (!NAME.test(name)) faults.add(`the name ${name} is not of [A-Z0-9-]`);
    if (names.has(name)) faults.add(`${name} more than once`);
    names.add(name);

    at = equals + 1;
    if (text[at] === '"') {
      const close = text.indexOf('"', at + 1);
      if (close < 0) return broken(`the quoted string of ${name} is not closed`);
      attributes.push({ name, value: text.slice(at + 1, close), quoted: true });
      at = close + 1;
      const next = text.indexOf(',', at);
      const rest = text.slice(at, next < 0 ? undefined : next);
      if (rest.trim() !== '') return broken(`'${rest}' after the quoted string of ${name}`);
      if (rest !== '') faults.add(`white space after the value of ${name}`);
      at = next < 0 ? text.length : next;
    } else {
      const next = text.indexOf(',', at);
      const raw = text.slice(at, next < 0 ? undefined : next);
      const value = raw.trim();
      if (value !== raw) faults.add(`white space around the value of ${name}`);
      if (value === '') faults.add(`${name} is empty`);
      attributes.push({ name, value, quoted: false });
      at = next < 0 ? text.length : next;
    }
    if (at < text.length && ++at === text.length) faults.add('a comma after the last item');
  }
  return { attributes, faults: [...faults], fatal: undefined };
}

/**
 * The attributes by name; of a repeated name, the last.
 * @throws ProtocolError HlsTag when the list cannot be read; what players overlook is overlooked.
 */
export function parseAttributes(tag: string, text: string): Record<string, string> {
  const { attributes, fatal } = scanAttributes(text);
  if (fatal !== undefined) {
    throw new ProtocolError(ProtocolErrorCode.HlsTag, `an attribute list after ${tag}`, fatal);
  }
  const byName: Record<string, string> = {};
  for (const { name, value } of attributes) byName[name] = value;
  return byName;
}
