import { readFileSync } from 'node:fs';

const LINES = 15;

/** What a process wrote last; nothing when there is no such file. */
export function lastLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LINES);
  } catch {
    return [];
  }
}
