import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Mutants } from '../../../../lab/builtin/mutants.ts';
import {
  formatAddress,
  parseAddress,
  partsOf,
  streamKey,
} from '../../../../lab/builtin/stream-manager/address.ts';
import {
  DEFAULT_LIMITS,
  DEFAULT_TIMES,
  type ManagerLimits,
} from '../../../../lab/builtin/stream-manager/config.ts';
import { parseQuery } from '../../../../lab/builtin/stream-manager/query.ts';
import {
  type Publication,
  Registry,
  RegistryFullError,
} from '../../../../lab/builtin/stream-manager/registry.ts';
import {
  BadReportError,
  parseHook,
  parseStreamsReport,
} from '../../../../lab/builtin/stream-manager/reports.ts';

const KEY = streamKey('', 'live', 'x');
const at = (port: number) => ({ host: '10.0.0.1', port });

function registryOf(limits: Partial<ManagerLimits> = {}, ...mutants: string[]): Registry {
  return new Registry(
    DEFAULT_TIMES,
    { ...DEFAULT_LIMITS, ...limits },
    new Set(mutants) as unknown as Mutants,
  );
}

function placeOf(registry: Registry): string | undefined {
  return registry.find(KEY)?.origin.key;
}

describe('registry', () => {
  test('the latest publisher is where the stream is; when it leaves, the one before it is again', () => {
    const registry = registryOf();
    const [a, b] = [registry.see({ rtmp: at(1) }), registry.see({ rtmp: at(2) })];
    registry.publish(a, KEY, 'one');
    registry.publish(b, KEY, 'two');
    assert.equal(placeOf(registry), '10.0.0.1:2');
    registry.unpublish(b, KEY, 'two');
    assert.equal(placeOf(registry), '10.0.0.1:1');
    registry.unpublish(a, KEY, 'one');
    assert.equal(placeOf(registry), undefined);
    assert.equal(registry.publications, 0);
    assert.equal(registry.streams.size, 0);
  });

  test('the end of an old publisher does not erase a newer one, at another origin or at the same', () => {
    const registry = registryOf();
    const [a, b] = [registry.see({ rtmp: at(1) }), registry.see({ rtmp: at(2) })];
    registry.publish(a, KEY, 'one');
    registry.publish(b, KEY, 'two');
    assert.equal(registry.unpublish(a, KEY, 'one'), true);
    assert.equal(placeOf(registry), '10.0.0.1:2');
    registry.publish(b, KEY, 'three');
    assert.equal(registry.unpublish(b, KEY, 'two'), false);
    assert.equal(placeOf(registry), '10.0.0.1:2');
  });

  test('a repeated report does not take the stream back from who came later', () => {
    const registry = registryOf();
    const [a, b] = [registry.see({ rtmp: at(1) }), registry.see({ rtmp: at(2) })];
    registry.publish(a, KEY, 'one');
    registry.publish(b, KEY, 'two');
    registry.publish(a, KEY, 'one');
    assert.equal(placeOf(registry), '10.0.0.1:2');
  });

  test('what was only seen at an origin is older than what was reported', () => {
    const registry = registryOf();
    const [a, b] = [registry.see({ rtmp: at(1) }), registry.see({ rtmp: at(2) })];
    registry.publish(b, KEY, 'two');
    registry.publish(a, KEY, 'one', true);
    assert.equal(placeOf(registry), '10.0.0.1:2');
  });

  test('an origin lives for its time, and is dead after it', () => {
    const registry = registryOf();
    const a = registry.see({ rtmp: at(1), ttlMs: 1000 });
    registry.publish(a, KEY, 'one');
    a.seenAt -= 999;
    assert.equal(placeOf(registry), '10.0.0.1:1');
    a.seenAt -= 2;
    assert.equal(placeOf(registry), undefined);
    registry.see({ rtmp: at(1) });
    assert.equal(placeOf(registry), '10.0.0.1:1', 'it was silent, not gone');
    a.seenAt -= 1000 + DEFAULT_TIMES.forget;
    registry.forgetDead();
    assert.deepEqual([registry.origins.size, registry.publications], [0, 0]);
  });

  test('an older publication at an origin that lives stands in for a newer one at a dead one', () => {
    const registry = registryOf();
    const [a, b] = [registry.see({ rtmp: at(1) }), registry.see({ rtmp: at(2) })];
    registry.publish(a, KEY, 'one');
    registry.publish(b, KEY, 'two');
    b.seenAt -= b.ttlMs + 1;
    assert.equal(placeOf(registry), '10.0.0.1:1');
  });

  test('an origin that was started anew has nothing of before', () => {
    const registry = registryOf();
    const told: string[] = [];
    registry.listener = {
      onOrigin() {},
      onOriginForgotten() {},
      onPublished: ({ client }: Publication) => told.push(`+${client}`),
      onWithdrawn: ({ client }: Publication) => told.push(`-${client}`),
    };
    const a = registry.see({ rtmp: at(1), service: 'first' });
    registry.publish(a, KEY, 'one');
    registry.see({ rtmp: at(1) });
    assert.equal(placeOf(registry), '10.0.0.1:1', 'a report without a service id says nothing of a restart');
    registry.see({ rtmp: at(1), service: 'second' });
    assert.equal(placeOf(registry), undefined);
    assert.deepEqual(told, ['+one', '-one']);
  });

  test('the limits hold, and what is known stays', () => {
    const registry = registryOf({ origins: 1, streams: 2 });
    const a = registry.see({ rtmp: at(1) });
    assert.throws(() => registry.see({ rtmp: at(2) }), RegistryFullError);
    registry.publish(a, KEY, 'one');
    registry.publish(a, 'v/a/2', 'one');
    assert.throws(() => registry.publish(a, 'v/a/3', 'one'), RegistryFullError);
    registry.publish(a, KEY, 'another');
    assert.equal(registry.publications, 2);
  });

  test('a stream is remembered at a few origins only', () => {
    const registry = registryOf();
    for (let port = 1; port <= 20; port++) registry.publish(registry.see({ rtmp: at(port) }), KEY, 'c');
    assert.equal(registry.streams.get(KEY)!.length, 8);
    assert.equal(registry.publications, 8);
    assert.equal(placeOf(registry), '10.0.0.1:20');
  });
});

describe('names and addresses', () => {
  test('addresses', () => {
    assert.deepEqual(parseAddress('10.0.0.1:1935'), at(1935));
    assert.deepEqual(parseAddress('1935', '10.0.0.1'), at(1935));
    assert.deepEqual(parseAddress('[::1]:1935'), { host: '::1', port: 1935 });
    assert.equal(formatAddress({ host: '::1', port: 1935 }), '[::1]:1935');
    for (const bad of [
      '1935',
      '0.0.0.0:1',
      '[::]:1',
      'a:0',
      'a:65536',
      'a b:1',
      'a/b:1',
      ':1',
      'a:',
      '::1:1',
      'a:1\n',
    ]) {
      assert.equal(parseAddress(bad), undefined, bad);
    }
  });

  test('an empty vhost and an address are the default vhost; others are their own', () => {
    assert.equal(streamKey('', 'live', 'x'), streamKey('127.0.0.1', 'live', 'x'));
    assert.notEqual(streamKey('a.example', 'live', 'x'), KEY);
    assert.equal(streamKey('', 'live', 'x.flv'), KEY);
    assert.deepEqual(partsOf(streamKey('a.example', 'live/sub', 'x')), {
      vhost: 'a.example',
      app: 'live/sub',
      stream: 'x',
    });
  });

  test('queries as SRS writes them, and percent-encoded', () => {
    const raw = Buffer.from('/c?app=live&stream=直播+1&x=%E7%9B%B4&bad=%zz&stream=2&flag').toString('latin1');
    assert.deepEqual(
      [...parseQuery(raw)],
      [
        ['app', 'live'],
        ['stream', '直播+1'],
        ['x', '直'],
        ['bad', '%zz'],
        ['flag', ''],
      ],
    );
    assert.equal(parseQuery('/c').size, 0);
  });
});

describe('reports', () => {
  test('the hook of SRS 7.0.18, its origin in the query of its URL', () => {
    const body =
      '{"server_id":"vid-1","service_id":"s1","action":"on_publish","client_id":"c1","ip":"1.2.3.4","vhost":"__defaultVhost__",' +
      '"app":"live","tcUrl":"rtmp://h/live","stream":"x","param":"","stream_url":"/live/x","stream_id":"vid-2"}';
    const query = new Map([
      ['rtmp', '1935'],
      ['api', '1985'],
    ]);
    const report = parseHook(body, query, 'on_publish', '10.0.0.1');
    assert.deepEqual(report.rtmp, at(1935));
    assert.equal(report.api, '10.0.0.1:1985');
    assert.equal(report.service, 's1');
    assert.deepEqual(report.streams, [
      { vhost: '__defaultVhost__', app: 'live', stream: 'x', client: 'c1', action: 'publish' },
    ]);
    assert.throws(() => parseHook(body, query, 'on_unpublish', ''), BadReportError);
    assert.throws(() => parseHook(body, new Map([['rtmp', '1935']]), 'on_publish', '10.0.0.1'), /needs/);
  });

  test('our own form has defaults, and says what is wrong', () => {
    const report = parseStreamsReport(
      '{"origin":{"rtmp":"10.0.0.1:1"},"streams":[{"app":"live","stream":"x"}]}',
      '',
    );
    assert.deepEqual(report.streams, [
      { vhost: '', app: 'live', stream: 'x', client: '', action: 'publish' },
    ]);
    assert.equal(report.complete, false);
    assert.throws(
      () => parseStreamsReport('{"origin":{"rtmp":"10.0.0.1:1"},"streams":[{"app":"live"}]}', ''),
      /streams\.0\.stream/,
    );
    assert.throws(
      () => parseStreamsReport('{"origin":{"rtmp":"10.0.0.1:1","port":1},"streams":[]}', ''),
      BadReportError,
    );
  });
});
