/**
 * A small XML 1.0 reader for documents from the network: elements, attributes, text, the five entities of XML and
 * character references. No DTD, so that nothing expands and nothing is fetched; namespaces are not resolved.
 */
import { ProtocolError, ProtocolErrorCode } from './errors.ts';

export interface XmlElement {
  /** As written, with its prefix. */
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** All text directly in it, CDATA included, as one string without white space at its ends. */
  readonly text: string;
}

export interface XmlLimits {
  /** Longest document in UTF-16 units; nothing of a longer one is looked at. Default 4 MiB. */
  maxLength: number;
  /** Nesting of elements. Default 64. */
  maxDepth: number;
  /** Elements and attributes in all. Default 200000. */
  maxNodes: number;
}

const defaultLimits: XmlLimits = { maxLength: 4 * 1024 * 1024, maxDepth: 64, maxNodes: 200_000 };

/**
 * The root element.
 * @throws ProtocolError DashManifest when it is not well-formed or has a DTD, DashSize above a limit
 */
export function parseXml(text: string, limits: Partial<XmlLimits> = {}): XmlElement {
  const bounds = { ...defaultLimits, ...limits };
  if (text.length > bounds.maxLength) throw tooLarge(`at most ${bounds.maxLength} characters`, text.length);
  return new XmlReader(text, bounds).document();
}

/** The first child of that name. */
export function child(element: XmlElement, name: string): XmlElement | undefined {
  return element.children.find((candidate) => candidate.name === name);
}

export function childrenOf(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter((candidate) => candidate.name === name);
}

interface OpenElement {
  readonly name: string;
  readonly attributes: Record<string, string>;
  readonly children: XmlElement[];
  text: string;
}

const NAME = /[\p{L}_:][\p{L}\p{N}\p{M}_:.·-]*/uy;
const SPACE = /[\t\n\r ]*/y;
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

class XmlReader {
  readonly #text: string;
  readonly #limits: XmlLimits;
  readonly #open: OpenElement[] = [];
  #at = 0;
  #nodes = 0;
  #root: XmlElement | undefined;

  constructor(text: string, limits: XmlLimits) {
    this.#text = text;
    this.#limits = limits;
    if (text.charCodeAt(0) === 0xfeff) this.#at = 1;
  }

  document(): XmlElement {
    while (this.#at < this.#text.length) {
      const next = this.#text.indexOf('<', this.#at);
      this.#characters(next < 0 ? this.#text.length : next);
      if (next >= 0) this.#markup();
    }
    const unclosed = this.#open.at(-1);
    if (unclosed) throw malformed(`</${unclosed.name}>`, 'the end of the document');
    if (!this.#root) throw malformed('a root element', 'none');
    return this.#root;
  }

  #characters(end: number): void {
    const raw = this.#text.slice(this.#at, end);
    this.#at = end;
    const element = this.#open.at(-1);
    if (element) {
      if (raw.includes(']]>')) throw malformed('text without ]]>', ']]>');
      element.text += decode(raw);
    } else if (raw.trim() !== '') throw malformed('nothing outside the root element', quote(raw.trim()));
  }

  /** At a '<'. */
  #markup(): void {
    const next = this.#text[this.#at + 1];
    if (next === '/') this.#endTag();
    else if (next === '?') this.#skipPast('?>', 2);
    else if (next !== '!') this.#startTag();
    else if (this.#text.startsWith('<!--', this.#at)) this.#skipPast('-->', 4);
    else if (this.#text.startsWith('<![CDATA[', this.#at)) {
      const element = this.#open.at(-1);
      if (!element) throw malformed('nothing outside the root element', 'a CDATA section');
      element.text += this.#skipPast(']]>', 9);
    } else throw malformed('a document without a DTD', quote(this.#text.slice(this.#at, this.#at + 20)));
  }

  #skipPast(closing: string, opening: number): string {
    const start = this.#at + opening;
    const end = this.#text.indexOf(closing, start);
    if (end < 0) throw malformed(closing, 'the end of the document');
    this.#at = end + closing.length;
    return this.#text.slice(start, end);
  }

  #startTag(): void {
    if (this.#root && this.#open.length === 0) throw malformed('one root element', 'another');
    if (this.#open.length === this.#limits.maxDepth) {
      throw tooLarge(`at most ${this.#limits.maxDepth} levels of elements`, 'more');
    }
    this.#at++;
    const name = this.#name();
    this.#count();
    const attributes: Record<string, string> = {};
    for (;;) {
      const before = this.#at;
      this.#space();
      const spaced = this.#at > before;
      const character = this.#text[this.#at];
      if (character === '>' || character === '/') break;
      if (!spaced) throw malformed(`'>' or white space in <${name}>`, quote(character ?? ''));
      this.#attribute(attributes);
    }
    const element: OpenElement = { name, attributes, children: [], text: '' };
    if (this.#text[this.#at] === '/') {
      this.#expect('/>');
      this.#close(element);
    } else {
      this.#at++;
      this.#open.push(element);
    }
  }

  #attribute(attributes: Record<string, string>): void {
    const name = this.#name();
    this.#count();
    if (Object.hasOwn(attributes, name)) throw malformed(`one attribute ${name}`, 'another');
    this.#space();
    this.#expect('=');
    this.#space();
    const mark = this.#text[this.#at];
    if (mark !== '"' && mark !== "'") throw malformed(`a quoted value of ${name}`, quote(mark ?? ''));
    const end = this.#text.indexOf(mark, this.#at + 1);
    if (end < 0) throw malformed(`a closed value of ${name}`, 'the end of the document');
    const raw = this.#text.slice(this.#at + 1, end);
    if (raw.includes('<')) throw malformed(`a value of ${name} without '<'`, quote(raw));
    this.#at = end + 1;
    const value = decode(raw.replace(/[\t\n\r]/g, ' '));
    Object.defineProperty(attributes, name, { value, writable: true, enumerable: true, configurable: true });
  }

  #endTag(): void {
    this.#at += 2;
    const name = this.#name();
    this.#space();
    this.#expect('>');
    const element = this.#open.pop();
    if (element?.name !== name) {
      throw malformed(element ? `</${element.name}>` : 'no end tag', `</${quote(name)}>`);
    }
    this.#close(element);
  }

  #close({ name, attributes, children, text }: OpenElement): void {
    const element: XmlElement = { name, attributes, children, text: text.trim() };
    const parent = this.#open.at(-1);
    if (parent) parent.children.push(element);
    else this.#root = element;
  }

  #name(): string {
    NAME.lastIndex = this.#at;
    const name = NAME.exec(this.#text)?.[0];
    if (name === undefined) throw malformed('a name', quote(this.#text.slice(this.#at, this.#at + 20)));
    this.#at += name.length;
    return name;
  }

  #space(): void {
    SPACE.lastIndex = this.#at;
    this.#at += SPACE.exec(this.#text)![0].length;
  }

  #expect(literal: string): void {
    if (!this.#text.startsWith(literal, this.#at)) {
      throw malformed(`'${literal}'`, quote(this.#text.slice(this.#at, this.#at + 20)));
    }
    this.#at += literal.length;
  }

  #count(): void {
    if (++this.#nodes > this.#limits.maxNodes) {
      throw tooLarge(`at most ${this.#limits.maxNodes} elements and attributes`, 'more');
    }
  }
}

function decode(raw: string): string {
  if (!raw.includes('&')) return raw;
  return raw.replace(/&(?:#(\d{1,7})|#x([0-9A-Fa-f]{1,6})|([a-z]{2,4}))?;?/g, (all, decimal, hex, name) => {
    if (all.endsWith(';')) {
      if (name !== undefined && Object.hasOwn(ENTITIES, name)) return ENTITIES[name]!;
      const point = decimal !== undefined ? Number(decimal) : Number.parseInt(hex ?? '', 16);
      if (point > 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff))
        return String.fromCodePoint(point);
    }
    throw malformed('an entity of XML or a character reference', quote(all));
  });
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

function malformed(expected: string, actual: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.DashManifest, expected, actual);
}

function tooLarge(expected: string, actual: string | number): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.DashSize, expected, String(actual));
}
