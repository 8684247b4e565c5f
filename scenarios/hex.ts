/** Bytes for people to read. */
import { maskSecrets } from '../reports/secrets.ts';

const HEX_WIDTH = 16;

/** Offset, bytes, text; as `hexdump -C`. With secrets masked, bytes after them are not at their place any more. */
export function hexOf(kept: Uint8Array, offset: number): string {
  const text = Buffer.from(kept).toString('latin1');
  const masked = maskSecrets(text);
  const bytes = Buffer.from(masked, 'latin1');
  const lines = masked === text ? [] : ['secrets are masked: what follows them is not at its place'];
  for (let at = 0; at < bytes.length; at += HEX_WIDTH) {
    const row = bytes.subarray(at, at + HEX_WIDTH);
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = row.toString('latin1').replace(/[^ -~]/g, '.');
    lines.push(`${(offset + at).toString(16).padStart(8, '0')}  ${hex.padEnd(3 * HEX_WIDTH - 1)}  |${text}|`);
  }
  return lines.join('\n');
}
