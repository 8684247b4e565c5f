import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';

const INTERRUPT = new URL('../../cli/interrupt.ts', import.meta.url).href;
/** Longer than one Ctrl-C takes to come as often as it does. */
const PAUSE_MS = 700;
const SCRIPT = `
  import { listenForInterrupt } from '${INTERRUPT}';
  const { signal } = listenForInterrupt(() => console.log('quits'));
  signal.addEventListener('abort', () => {
    console.log('stops');
    setTimeout(() => console.log('went on'), ${PAUSE_MS});
  });
  setInterval(() => {}, 1000);
  console.log('listens');
`;

/** Each line of its standard output, in turn. */
async function* linesOf(child: ChildProcess): AsyncGenerator<string> {
  let rest = '';
  for await (const bytes of child.stdout!) {
    const lines = (rest + bytes).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
}

test('one Ctrl-C that comes twice, from the terminal and from npm, stops a run; the next one quits', async () => {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', SCRIPT], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(child, 'exit');
  const lines: string[] = [];
  for await (const line of linesOf(child)) {
    lines.push(line);
    if (line !== 'quits') child.kill('SIGINT');
  }
  assert.deepEqual(lines, ['listens', 'stops', 'went on', 'quits']);
  assert.deepEqual(await ended, [130, null]);
});
