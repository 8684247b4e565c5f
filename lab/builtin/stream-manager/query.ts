/** The query of a URL as SRS writes it: names are not percent-encoded, and a plus is a plus. */

/**
 * Keys and values, percent-decoded where that is possible. The first of a key counts.
 * @param url as Node's HTTP parser has it: one character per byte
 */
export function parseQuery(url: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  const mark = url.indexOf('?');
  if (mark < 0) return parameters;
  for (const pair of url.slice(mark + 1).split('&')) {
    const equals = pair.indexOf('=');
    const key = equals < 0 ? pair : pair.slice(0, equals);
    if (!parameters.has(key)) parameters.set(key, decoded(equals < 0 ? '' : pair.slice(equals + 1)));
  }
  return parameters;
}

function decoded(value: string): string {
  if (!UNUSUAL.test(value)) return value;
  const text = Buffer.from(value, 'latin1').toString();
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Percent signs, and what is not ASCII. */
const UNUSUAL = /[%\u0080-\u00ff]/;
