/** What is met at a node: at sockets that take connections, refuse them, and say nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterNode } from '../../../lab/cluster.ts';
import type { CheckContext } from '../../../scenarios/check.ts';
import { type EventOf, History, type StepData } from '../../../scenarios/history.ts';
import {
  hold,
  judgeGone,
  judgeHeld,
  judgeLetGo,
  knock,
  untilGone,
} from '../../../scenarios/wire/presence.ts';
import { freePort, freePorts } from '../../support/ports.ts';
import { verdictOf } from '../conformance/histories.ts';

type Action = EventOf<'node.control'>['action'];

const HOST = '127.0.0.1';
const sockets = new Set<Socket>();
const servers = new Set<Server>();

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
  sockets.clear();
  servers.clear();
});

async function listen(port: number, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    onConnection(socket);
  });
  servers.add(server.listen({ host: HOST, port }));
  await once(server, 'listening');
  return server;
}

const redisAt = (redis: number) =>
  ({ host: HOST, ports: { redis }, spec: { name: 'redis', role: 'redis' } }) as unknown as ClusterNode;

/** @param does what a control does to the node. Default nothing. */
function course(does: (action: Action) => void = () => {}) {
  const history = new History();
  const context = {
    signal: new AbortController().signal,
    async control({ spec }: ClusterNode, action: Action) {
      history.append({ t: performance.now(), type: 'node.control', node: spec.name, action });
      does(action);
    },
    cleanUp() {},
    step: (step: string, data: StepData) =>
      history.append({ t: performance.now(), type: 'step', step, data }),
  } as unknown as CheckContext;
  return { history, context };
}

function metIn(history: History): unknown[] {
  return history.of('step').flatMap(({ step, data }) => (step === 'node.knocked' ? [data.met] : []));
}

/** Within two seconds. */
async function until(holds: () => boolean): Promise<void> {
  for (let look = 0; look < 400 && !holds(); look++) await delay(5);
  assert.ok(holds());
}

describe('a node that was killed', () => {
  test('is gone when nobody takes connections any more, which may be a moment later', async () => {
    const port = await freePort();
    const server = await listen(port, (socket) => socket.destroy());
    const { history, context } = course();
    const node = redisAt(port);
    await knock(context, node);
    await context.control(node, 'kill');
    const seen = untilGone(context, node, 5000);
    await delay(20);
    server.close();
    await seen;
    assert.deepEqual(metIn(history), ['open', 'ECONNREFUSED']);
    assert.deepEqual(judgeGone(history), []);
  });

  test('is not where somebody takes them all the time', async () => {
    const port = await freePort();
    await listen(port, (socket) => socket.destroy());
    const { history, context } = course();
    const node = redisAt(port);
    await knock(context, node);
    await context.control(node, 'kill');
    await untilGone(context, node, 1000);
    assert.deepEqual(metIn(history), ['open', 'open']);
    assert.equal(verdictOf(judgeGone(history)).verdict, 'inconclusive');
  });

  test('is not seen where no port of it is known', async () => {
    const { history, context } = course();
    const node = { host: HOST, ports: {}, spec: { name: 'a', role: 'origin' } } as unknown as ClusterNode;
    await knock(context, node);
    await context.control(node, 'kill');
    await untilGone(context, node);
    assert.equal(verdictOf(judgeGone(history)).says, 'before, it was met with no port that is known');
  });
});

describe('a Redis that was frozen', () => {
  test('hangs where no reply comes, and goes on where one does', async () => {
    const port = await freePort();
    const asking = new Set<Socket>();
    await listen(port, (socket) => socket.on('data', () => asking.add(socket)));
    const { history, context } = course((action) => {
      if (action === 'thaw') for (const socket of asking) socket.write('+PONG\r\n');
    });
    const letGo = await hold(context, redisAt(port));
    await until(() => asking.size > 0);
    assert.deepEqual(judgeHeld(history), []);
    assert.equal(verdictOf(judgeLetGo(history)).says, 'the check did not get that far', 'it was not let go');
    await letGo();
    assert.equal(verdictOf(judgeLetGo(history)).verdict, 'inconclusive', 'not yet');
    await until(() => judgeLetGo(history).length === 0);
    assert.deepEqual(judgeHeld(history), []);
  });

  test('does not where one comes at once, or where it refuses', async () => {
    const [port, closed] = (await freePorts(HOST, 2)) as [number, number];
    await listen(port, (socket) => socket.on('data', () => socket.write('-NOAUTH\r\n')));
    for (const [at, says] of [
      [port, /: a reply$/],
      [closed, /: ECONNREFUSED$/],
    ] as const) {
      const { history, context } = course();
      await hold(context, redisAt(at));
      await until(() => history.step('node.answered') !== undefined);
      const { verdict, says: said } = verdictOf(judgeHeld(history));
      assert.equal(verdict, 'inconclusive');
      assert.match(said, says);
    }
  });
});
