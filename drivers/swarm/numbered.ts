/** URLs of many streams: `%d` is the number of each, from 1. */

/** `%d1` and such are percent-encoded bytes (RFC 3986 section 2.1), and stay as they are. */
const NUMBER = /%d(?![0-9a-fA-F])/g;

export function hasNumber(url: string): boolean {
  return url.search(NUMBER) >= 0;
}

export function numbered(url: string, number: number): string {
  return url.replaceAll(NUMBER, String(number));
}
