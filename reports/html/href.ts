/** Links to files of a run. */

/** Never a scheme, never another host: a path below the report. */
export function hrefOf(file: string): string {
  const parts = Buffer.from(file).toString().split('/');
  return `./${parts.map(encodeURIComponent).join('/')}`;
}
