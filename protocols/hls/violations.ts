import type { Attribute } from './attributes.ts';

export interface Violation {
  /** From 1; 0 for the playlist as a whole. */
  readonly line: number;
  /** Stable slug. */
  readonly rule: string;
  readonly level: 'must' | 'should';
  /** What is there and what ought to be. */
  readonly says: string;
  /** Of RFC 8216; with `bis` before it, of its successor's draft. */
  readonly section: string;
}

/** A line as the rules see it. */
export interface LintLine {
  readonly number: number;
  /** '' for a URI. */
  readonly tag: string;
  readonly value: string;
  /** Of tags with an attribute list. */
  readonly attributes: ReadonlyMap<string, Attribute>;
}

export class Violations {
  readonly list: Violation[] = [];

  must(line: number, rule: string, section: string, says: string): void {
    this.list.push({ line, rule, level: 'must', says, section });
  }

  should(line: number, rule: string, section: string, says: string): void {
    this.list.push({ line, rule, level: 'should', says, section });
  }
}

export function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
