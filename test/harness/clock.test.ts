import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExitCode } from '../../cli/output.ts';
import { resultsIn, temporary } from '../cli/surroundings.ts';
import { startLoad } from './real-load.ts';

/** In every process of the run: at SIGUSR2 the system's clock is as if it had been set back by 5 s. */
const SET_BACK = `
const now = Date.now;
let off = 0;
Date.now = () => now() + off;
process.on('SIGUSR2', () => { off -= 5000; });`;

test('a clock that is set back during a load makes it inconclusive, and loses nothing of it', async (t) => {
  const out = temporary(t);
  const preload = `data:text/javascript,${encodeURIComponent(SET_BACK)}`;
  const load = await startLoad(
    t,
    { clients: 3, workers: 1, duration: '5s', out },
    { NODE_OPTIONS: `--import ${preload}` },
  );
  for (const pid of [load.child.pid!, load.workers[0]!.pid]) process.kill(pid, 'SIGUSR2');
  assert.equal(await load.ended(), ExitCode.inconclusive, load.said());
  const { verdict, durationMs, load: figures } = resultsIn(out);
  assert.equal(verdict, 'inconclusive');
  assert.ok(durationMs > 0, `${durationMs} ms`);
  // Beside other tests its event loop may be late as well.
  const ofTheClock = figures!.generator.reasons.filter((reason) => reason.includes('clock'));
  assert.deepEqual(ofTheClock, ['the system clock was set 1 times during the run']);
  assert.deepEqual(figures!.clients, { requested: 3, joined: 3, failed: 0, dropped: 0 });
  assert.match(load.said(), /system clock was set/);
});
