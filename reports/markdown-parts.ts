/** What the parts of `summary.md` are made of. */

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** One line in which nothing is markup (CommonMark 2.4, 2.5; GFM autolinks and mentions begin with `:`, `w` and `@`). */
export function text(of: string): string {
  return of
    .replace(/[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]+/gu, ' ')
    .replace(/[&<>`*_[\]|~#@\\]|:(?=\/\/)|(?<=www)\./gi, (character) => `&#${character.codePointAt(0)};`);
}
