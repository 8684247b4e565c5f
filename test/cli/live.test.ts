import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { parseAddress } from '../../cli/live.ts';
import { type LoadSurroundings, load } from '../../cli/load.ts';
import { ExitCode, UsageError } from '../../cli/output.ts';
import { type PublishSurroundings, publish } from '../../cli/publish.ts';
import type { LoadFigures, PublishFigures } from '../../drivers/swarm/load.ts';
import { readMetrics } from '../reports/live/read-metrics.ts';
import { loadFigures, publish as published } from '../reports/samples.ts';
import { freePort } from '../support/ports.ts';
import { resultsIn, surroundings, temporary } from './surroundings.ts';

const URL_OF_FLV = 'http://127.0.0.1:8080/live/a.flv';

test('an address without a host is on loopback', () => {
  assert.deepEqual(parseAddress('--prometheus', ':9464'), { host: '127.0.0.1', port: 9464 });
  assert.deepEqual(parseAddress('--prometheus', '0.0.0.0:9464'), { host: '0.0.0.0', port: 9464 });
  assert.deepEqual(parseAddress('--prometheus', '[::1]:80'), { host: '::1', port: 80 });
  for (const wrong of ['9464', ':', ':70000', 'a b:1', 'http://x:1'])
    assert.throws(() => parseAddress('--prometheus', wrong), UsageError);
});

test('a load tells its figures while it runs, and the last ones are those of results.json', async (t) => {
  const out = temporary(t);
  const around = surroundings();
  const port = await freePort();
  const half = loadFigures({ clients: { requested: 5000, joined: 2500, failed: 0, dropped: 0 } });
  let end: Promise<string> | undefined;
  const run: LoadSurroundings['run'] = async (options) => {
    const dashboard = /dashboard: (\S+)\//.exec(around.stderr.text)![1]!;
    assert.match(dashboard, /^http:\/\/127\.0\.0\.1:/);
    assert.match(await (await fetch(dashboard)).text(), /It has begun/);
    options.onFigures!(half as LoadFigures);
    const metrics = readMetrics(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
    assert.equal(metrics.get('liveproof_load_clients_total{outcome="joined"}'), 2500);
    assert.match(
      await (await fetch(`${dashboard}/body`)).text(),
      /2,500 of 5,000 players joined[^.]* so far\./,
    );
    const events = await fetch(`${dashboard}/events`);
    end = events.text();
    return loadFigures();
  };
  const args = {
    clients: '10',
    ramp: '0',
    duration: '1s',
    out,
    dashboard: true as const,
    prometheus: `:${port}`,
  };
  assert.equal(await load([URL_OF_FLV], args, { ...around, run }), ExitCode.pass);
  const body: string = JSON.parse(/event: over\ndata: (.*)\n/.exec((await end)!)![1]!);
  assert.match(body, /5,000 of 5,000 players joined/);
  assert.match(body, /<h1>pass<\/h1>/);
  assert.deepEqual(resultsIn(out).load, loadFigures());
  await assert.rejects(fetch(`http://127.0.0.1:${port}/metrics`), 'nothing listens after the end');
});

test('publishers tell theirs, too', async () => {
  const around = surroundings();
  const port = await freePort();
  const figures = published().publish! as PublishFigures;
  const run: PublishSurroundings['run'] = async (options) => {
    options.onFigures!(figures);
    const metrics = readMetrics(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
    assert.equal(metrics.get('liveproof_publish_frames_total'), figures.frames);
    return figures;
  };
  const args = { streams: '1', duration: '1s', prometheus: `:${port}` };
  await publish('rtmp://127.0.0.1/live/a', args, { ...around, run });
});

test('nobody looks: the figures of the moment are not asked for', async (t) => {
  const run: LoadSurroundings['run'] = async (options) => {
    assert.equal(options.onFigures, undefined);
    return loadFigures();
  };
  const args = { clients: '10', ramp: '0', duration: '1s', out: temporary(t) };
  await load([URL_OF_FLV], args, { ...surroundings(), run });
});

test('a port that is taken is wrong use, before anything is measured', async (t) => {
  const port = await freePort();
  const other = createServer().listen(port, '127.0.0.1');
  t.after(() => other.close());
  const run: LoadSurroundings['run'] = () => assert.fail('it was begun');
  const args = { clients: '10', ramp: '0', duration: '1s', out: temporary(t), prometheus: `:${port}` };
  const around = surroundings();
  await assert.rejects(
    load([URL_OF_FLV], args, { ...around, run }),
    /--prometheus cannot listen.*EADDRINUSE/,
  );
  assert.ok(around.state.released);
});
