/** What stands where a node has been, against a client that is written by hand, and against bytes that are none. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import type { ClusterNode } from '../../../lab/cluster.ts';
import { redirectOf } from '../../../protocols/rtmp/commands.ts';
import type { CheckContext } from '../../../scenarios/check.ts';
import type { StepData } from '../../../scenarios/history.ts';
import { WireRtmp } from '../../../scenarios/wire/rtmp.ts';
import { clusterAnswerOf, standIn } from '../../../scenarios/wire/stand-in.ts';
import { eventually } from '../../drivers/support/observe.ts';
import { freePorts } from '../../support/ports.ts';

const HOST = '127.0.0.1';
const steps: { step: string; data: StepData }[] = [];
const cleanUps: (() => void | Promise<void>)[] = [];
const controls: string[] = [];
let ports: { rtmp: number; api: number };
let location: string | undefined;

const context = {
  cluster: { capabilities: new Set(['reaches.checks']) },
  control: async (node: ClusterNode, action: string) => {
    controls.push(`${action} ${node.spec.name}`);
  },
  cleanUp: (action: () => void | Promise<void>) => cleanUps.push(action),
  step: (step: string, data: StepData) => steps.push({ step, data }),
} as unknown as CheckContext;

before(async () => {
  const [rtmp, api] = (await freePorts(HOST, 2)) as [number, number];
  ports = { rtmp, api };
  const node = { host: HOST, ports, spec: { name: 'origin-2' } } as unknown as ClusterNode;
  await standIn(context, node, {
    answer: (query) => {
      if (query.get('stream') === 'hang') return null;
      if (query.get('stream') === 'error') return { status: 500, body: 'no' };
      return clusterAnswerOf(query.get('stream') === 'here' ? { ip: HOST, port: rtmp } : null);
    },
    redirect: () => location,
  });
});
after(async () => {
  for (const action of cleanUps) await action();
});

function ask(stream: string, signal?: AbortSignal): Promise<Response> {
  const url = `http://${HOST}:${ports.api}/api/v1/clusters?app=live&stream=${stream}`;
  return fetch(url, { method: 'POST', ...(signal ? { signal } : {}) });
}

async function play(stream: string): Promise<WireRtmp> {
  const client = await WireRtmp.open({ host: HOST, port: ports.rtmp });
  await client.startPlay('live', stream);
  return client;
}

test('the node is killed first', () => {
  assert.deepEqual(controls, ['kill origin-2']);
});

test('its API answers as it is told: here, nowhere, an error, and never', async () => {
  const data = {
    query: {},
    origin: { ip: HOST, port: ports.rtmp, vhost: '__defaultVhost__', api: '', routers: [] },
  };
  assert.deepEqual(await (await ask('here')).json(), { code: 0, data });
  assert.deepEqual(await (await ask('other')).json(), { code: 0, data: { query: {}, origin: null } });
  assert.equal((await ask('error')).status, 500);
  const abort = new AbortController();
  const hung = assert.rejects(ask('hang', abort.signal), { name: 'AbortError' });
  const asked = () => steps.filter(({ step }) => step === 'stand-in.asked').map(({ data }) => data);
  await eventually(2000, 'it was asked to the end', () => asked().length === 4);
  // An answer would be here before that to a later question.
  await ask('here');
  abort.abort();
  await hung;
  assert.deepEqual(asked()[0], { method: 'POST', path: '/api/v1/clusters', stream: 'here' });
});

test('a player waits for ever, or is sent away; what it asked for is on record', async () => {
  const waiting = await play('s?token=a/b');
  location = 'rtmp://127.0.0.9:1935/live/s';
  const sent = await play('t');
  const told = await sent.until('302', 1000, () => sent.commands().map(redirectOf).find(Boolean));
  assert.deepEqual(told, { location, withStream: true });
  assert.equal(
    waiting.commands().some((command) => redirectOf(command) !== undefined),
    false,
  );
  assert.equal(waiting.socket.end, undefined);
  const tcUrl = `rtmp://${HOST}:${ports.rtmp}/live`;
  assert.deepEqual(
    steps.filter(({ step }) => step === 'stand-in.played').map(({ data }) => data),
    [
      { app: 'live', tcUrl, stream: 's?token=a/b' },
      { app: 'live', tcUrl, stream: 't' },
    ],
  );
  waiting.close();
  sent.close();
});

test('bytes that are no RTMP end their connection, and nothing else', async () => {
  const socket = connect({ host: HOST, port: ports.rtmp });
  socket.on('error', () => {});
  socket.write(Buffer.alloc(5000, 0xff));
  await once(socket, 'close');
  (await play('u')).close();
});
