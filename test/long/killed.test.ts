import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExitCode } from '../../cli/output.ts';
import { resultsIn, temporary } from '../cli/surroundings.ts';
import { eventually } from '../drivers/support/observe.ts';
import { FRAMES, startLoad } from '../harness/real-load.ts';
import { gone } from '../support/processes.ts';

describe('SIGKILL', { concurrency: true }, () => {
  it('of a worker is reported, blames nobody, and the rest is kept', async (t) => {
    const out = temporary(t);
    const load = await startLoad(t, { clients: 10, workers: 2, duration: '5s', out });
    assert.equal(load.workers.length, 2);
    process.kill(load.workers[0]!.pid, 'SIGKILL');
    assert.equal(await load.ended(), ExitCode.inconclusive, load.said());
    const { verdict, findings, load: figures } = resultsIn(out);
    assert.equal(verdict, 'inconclusive');
    assert.deepEqual(
      findings.filter((finding) => finding.verdict === 'fail'),
      [],
    );
    assert.deepEqual(figures!.clients, { requested: 10, joined: 10, failed: 0, dropped: 5 });
    assert.deepEqual(figures!.reasons, { 'worker-died': 5 });
    assert.ok(figures!.generator.reasons.includes('1 of 2 worker processes died'));
    assert.ok(figures!.frames.received >= 5 * FRAMES, `${figures!.frames.received} frames`);
    assert.match(load.said(), /1 of 2 worker processes died/);
    await gone(load.descendants, 2000);
  });

  it('of the coordinator ends its workers and their connections', async (t) => {
    const load = await startLoad(t, { clients: 10, workers: 1, duration: '60s', out: temporary(t) });
    assert.equal(load.workers.length, 1);
    assert.equal(load.server.open, 10);
    load.child.kill('SIGKILL');
    await load.ended();
    await gone(load.descendants, 3000);
    await eventually(3000, 'no connection', () => load.server.open === 0);
  });
});
