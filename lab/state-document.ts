/** Files of JSON that remember a lab. */
import { renameSync, writeFileSync } from 'node:fs';

/** Writes a document to a file of this process beside `file`; returns its name. */
export function writeBeside(file: string, document: unknown): string {
  const own = `${file}.${process.pid}`;
  writeFileSync(own, `${JSON.stringify(document, null, 2)}\n`);
  return own;
}

/** Whoever reads sees the old document or the new one. */
export function replaceDocument(file: string, document: unknown): void {
  renameSync(writeBeside(file, document), file);
}
