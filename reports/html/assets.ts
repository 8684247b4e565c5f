/** Styles and scripts that stand inside a page, and the policy that lets nothing else run there. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** A file of this folder, or of another one when `base` says so (`import.meta.url` of a file there). */
export function asset(name: string, base: string = import.meta.url): string {
  return inline(readFileSync(new URL(name, base), 'utf8'), name);
}

export function uplot(name: string): string {
  return inline(readFileSync(createRequire(import.meta.url).resolve(`uplot/dist/${name}`), 'utf8'), name);
}

/** What stands in a script or style element must not end it. */
function inline(text: string, name: string): string {
  if (/<\/(script|style)|<!--/i.test(text)) throw new Error(`${name} cannot be inlined`);
  return text;
}

/** Content-Security-Policy of a page with this style and these scripts, inline, and nothing else; a live one asks its server. */
export function policyOf(style: string, scripts: readonly string[], live = false): string {
  return [
    "default-src 'none'",
    `style-src ${sourceOf(style)}`,
    `script-src ${scripts.map(sourceOf).join(' ')}`,
    ...(live ? ["connect-src 'self'"] : []),
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

/** The hash source of an inline script or style (CSP Level 3, 2.3.1): nothing else on the page may run. */
function sourceOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
