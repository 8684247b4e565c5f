/** A command without the world: what it printed is kept, Ctrl-C is a call. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { TestContext } from 'node:test';
import { Results } from '../../reports/results.ts';

export class Capture extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk;
    done();
  }
}

export function surroundings() {
  const controller = new AbortController();
  const state = { released: false };
  return {
    stdout: new Capture(),
    stderr: new Capture(),
    listen: () => ({
      signal: controller.signal,
      release() {
        state.released = true;
      },
    }),
    state,
    interrupt: () => controller.abort(),
  };
}

export function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'liveproof-cli-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

export function resultsIn(directory: string): Results {
  return Results.parse(JSON.parse(readFileSync(join(directory, 'results.json'), 'utf8')));
}

/** SRS_BIN until the test is over. */
export function srsBin(t: TestContext, path: string | undefined): void {
  const before = process.env.SRS_BIN;
  const set = (value: string | undefined): void => {
    if (value === undefined) delete process.env.SRS_BIN;
    else process.env.SRS_BIN = value;
  };
  set(path);
  t.after(() => set(before));
}
