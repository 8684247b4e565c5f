/** Who plays over libdatachannel need not keep anything of it: the garbage collector closes tracks that nobody refers to. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { eventually } from '../../support/observe.ts';
import { RtcServer } from '../support.ts';

const SCRIPT = resolve(import.meta.dirname, 'forgotten.ts');

test('a player of whom a WeakRef is left goes on playing after ten collections', async (t) => {
  const server = await RtcServer.start(t);
  const args = ['--expose-gc', '--import', 'tsx', SCRIPT, `http://127.0.0.1:${server.port}/whep`];
  const running = promisify(execFile)(process.execPath, args, { timeout: 7000 });
  let over = false;
  running.child.once('exit', () => {
    over = true;
  });
  await eventually(5000, 'a session', () => over || server.peers[0]?.connection.state() === 'connected');
  while (!over) await server.peers[0]!.sendFrames(20);
  const { before, further, collected, gone } = JSON.parse((await running).stdout);
  assert.ok(before >= 50, `${before} packets before`);
  assert.ok(
    further >= 50,
    `${further} packets after it; the transport was ${collected ? '' : 'not '}collected`,
  );
  assert.equal(gone, '');
});
