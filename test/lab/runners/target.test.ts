import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { LabError } from '../../../lab/errors.ts';
import { capabilitiesOf } from '../../../lab/runners/capabilities.ts';
import { hostsOf, parseTarget, readTarget, topologyOf } from '../../../lab/runners/target.ts';
import { temporary } from '../../cli/surroundings.ts';

const NODES = `
  - { name: origin, host: 127.0.0.1, ports: { rtmp: 1935, api: 1985 } }
  - name: edge-1
    host: 127.0.0.2
    ports: { rtmp: 1935 }
    addresses: [127.0.0.2]
  - { name: edge-2, host: 127.0.0.3, ports: { rtmp: 1935 } }`;

function file(rest = '', nodes = NODES): string {
  return `schema: liveproof/target@1
name: staging
topology: edge-cluster
nodes:${nodes}
${rest}`;
}

function refusal(text: string): string {
  try {
    parseTarget(text, 'a.yaml');
  } catch (error) {
    assert.ok(error instanceof LabError);
    assert.equal(error.code, 'lab.target');
    return error.message;
  }
  return assert.fail('it was taken');
}

describe('a target file', () => {
  test('has nodes of the topology whose checks are run, and takes from it what it does not say', () => {
    const target = parseTarget(file(), 'a.yaml');
    const { nodes, entries } = topologyOf(target);
    assert.deepEqual(
      nodes.map(({ name, role, upstreams }) => [name, role, upstreams]),
      [
        ['origin', 'origin', []],
        ['edge-1', 'edge', ['origin']],
        ['edge-2', 'edge', ['origin']],
      ],
    );
    assert.ok(entries.every(({ node }) => node !== 'balancer'));
    // It has no SRT: it names no port of it.
    assert.equal(nodes[0]!.srt, undefined);
  });

  test('may have nodes of other names, which say their role', () => {
    const more = `${NODES}\n  - { name: edge-9, role: edge, upstreams: [origin], host: 127.0.0.9, ports: { rtmp: 1935 } }`;
    const { nodes } = topologyOf(parseTarget(file('', more), 'a.yaml'));
    assert.deepEqual(nodes.at(-1), { name: 'edge-9', role: 'edge', upstreams: ['origin'] });
    assert.match(
      refusal(file('', more.replace('role: edge, ', ''))),
      /a\.yaml:11: nodes\[3\] needs a role: edge-cluster has no edge-9/,
    );
  });

  test('has media nodes that speak SRT and WebRTC where it names their ports; a proxy only passes them on', () => {
    const ports = '{ rtmp: 1935, api: 1985, srt: 10080, rtc: 8000 }';
    const node = (name: string) => `\n  - { name: ${name}, host: 127.0.0.1, ports: ${ports} }`;
    const names = ['proxy', 'origin-1', 'origin-2', 'edge-1'];
    const text = file('', names.map(node).join('')).replace('edge-cluster', 'proxy-cluster');
    const { nodes } = topologyOf(parseTarget(text, 'a.yaml'));
    assert.deepEqual(
      nodes.filter(({ rtc, srt }) => rtc && srt).map(({ name }) => name),
      ['origin-1', 'origin-2', 'edge-1'],
    );
  });

  /** Of the topology, whom each node of the file has to do with, and no others than these. */
  const peers = (topology: string, nodes: string): unknown[] =>
    topologyOf(parseTarget(file('', nodes).replace('edge-cluster', topology), 'a.yaml')).nodes.flatMap(
      ({ name, coworkers, registersWith, reportsTo, redis }) => {
        const has = { coworkers, registersWith, reportsTo, redis };
        const told = Object.entries(has).filter(([, value]) => value !== undefined);
        return told.length === 0 ? [] : [[name, Object.fromEntries(told)]];
      },
    );
  const named = (...names: string[]): string =>
    names
      .map((name) => `\n  - { name: ${name}, host: 127.0.0.1, ports: { rtmp: 1935, api: 1985 } }`)
      .join('');

  test('has origins that ask the other origins of the file, and none that is not in it', () => {
    assert.deepEqual(peers('coworker-cluster', named('origin-1', 'origin-3', 'edge-1', 'edge-2')), [
      ['origin-1', { coworkers: ['origin-3'] }],
      ['origin-3', { coworkers: ['origin-1'] }],
    ]);
    const own = named('o1, role: origin', 'origin-2', 'o3, role: origin', 'edge-1', 'edge-2');
    assert.deepEqual(peers('coworker-cluster', own), [
      ['o1', { coworkers: ['origin-2', 'o3'] }],
      ['origin-2', { coworkers: ['o1', 'o3'] }],
      ['o3', { coworkers: ['origin-2', 'o1'] }],
    ]);
  });

  test('has origins that ask and tell the stream manager of the file, and nobody where it has none', () => {
    const edges = ['edge-1', 'edge-2'];
    const managed = { coworkers: ['stream-manager'], reportsTo: 'stream-manager' };
    assert.deepEqual(
      peers('stream-manager', named('stream-manager', 'origin-1', 'o2, role: origin', ...edges)),
      [
        ['origin-1', managed],
        ['o2', managed],
      ],
    );
    const renamed = named('manager, role: stream-manager', 'redis', 'origin-1', 'origin-2', ...edges);
    assert.deepEqual(peers('stream-manager', renamed), [
      ['manager', { redis: 'redis' }],
      ['origin-1', { coworkers: ['manager'], reportsTo: 'manager' }],
      ['origin-2', { coworkers: ['manager'], reportsTo: 'manager' }],
    ]);
    const none = file('', named('origin-1', 'origin-2', ...edges)).replace('edge-cluster', 'stream-manager');
    assert.deepEqual(peers('stream-manager', named('origin-1', 'origin-2', ...edges)), [
      ['origin-1', { coworkers: [] }],
      ['origin-2', { coworkers: [] }],
    ]);
    assert.equal(capabilitiesOf(topologyOf(parseTarget(none, 'a.yaml'))).has('coworkers'), false);
  });

  test('has proxies and origins without the Redis and the balancer that it does not name', () => {
    const origins = ['origin-1', 'origin-2', 'edge-1'];
    assert.deepEqual(peers('proxy-redis', named('proxy-1', 'proxy-2', ...origins)), []);
    assert.deepEqual(peers('proxy-cluster', named('p, role: proxy', ...origins)), [
      ['origin-1', { registersWith: 'p' }],
      ['origin-2', { registersWith: 'p' }],
    ]);
  });

  test('tells every host that would be connected to', () => {
    const target = parseTarget(
      file(
        "entries:\n  - { node: origin, use: publish, protocol: rtmp, url: 'rtmp://in.example/live/{stream}' }",
      ),
      'a.yaml',
    );
    assert.deepEqual(hostsOf(target), ['127.0.0.1', '127.0.0.2', '127.0.0.3', 'in.example']);
  });

  test('that is not there is named', () => {
    assert.throws(
      () => readTarget('/nowhere/a.yaml'),
      /lab\.target: \/nowhere\/a\.yaml cannot be read: ENOENT/,
    );
  });

  test('is read from disk', (t) => {
    const path = join(temporary(t), 'a.yaml');
    writeFileSync(path, file());
    assert.equal(readTarget(path).name, 'staging');
  });
});

test('the examples of docs/targets.md are target files', () => {
  const manual = readFileSync(new URL('../../../docs/targets.md', import.meta.url), 'utf8');
  const examples = [...manual.matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => text!);
  assert.equal(examples.length, 2);
  for (const text of examples) assert.equal(parseTarget(text, 'docs/targets.md').name, 'staging');
});

describe('mistakes in a target file are named with line, place and what to do', () => {
  const cases: readonly [what: string, text: string, says: RegExp][] = [
    ['not YAML', 'a: [1\nb: 2', /^lab\.target: a\.yaml:2: /],
    ['not a mapping', '- 1', /a\.yaml:1: it Invalid input: expected object/],
    ['a key that nobody knows', file('port: 1'), /a\.yaml:1: it Unrecognized key: "port"/],
    [
      'a topology that nobody knows',
      file().replace('edge-cluster', 'edges'),
      /a\.yaml:3: topology .*"edge-cluster"/,
    ],
    [
      'a command for a shell',
      file('', NODES.replace('    addresses:', '    controls:\n      kill: docker kill x\n    addresses:')),
      /a\.yaml:10: nodes\[1\]\.controls\.kill is a list, a program and its arguments, such as \[docker, kill, edge-1\]; no shell reads it/,
    ],
    [
      'a kill that nobody can make good',
      file('', NODES.replace('{ rtmp: 1935, api: 1985 } }', '{ rtmp: 1935 }, controls: { kill: [a] } }')),
      /a\.yaml:5: nodes\[0\]\.controls\.kill needs restart beside it/,
    ],
    [
      'an address that is a name',
      file('', NODES.replace('[127.0.0.2]', '[edge-1]')),
      /a\.yaml:9: nodes\[1\]\.addresses\[0\] is an IP address, as the HTTP API of the origin tells it/,
    ],
    [
      'a port out of range',
      file('', NODES.replace('1985', '98500')),
      /a\.yaml:5: nodes\[0\]\.ports\.api Too big/,
    ],
    [
      'a host with a port',
      file('', NODES.replace('host: 127.0.0.3', "host: '127.0.0.3:1935'")),
      /a\.yaml:10: nodes\[2\]\.host is a name or an IPv4 address, without a port/,
    ],
    [
      'a name twice',
      file('', NODES.replace('edge-2', 'edge-1')),
      /a\.yaml:10: nodes\[2\]\.name edge-1 is there already/,
    ],
    [
      'too few edges',
      file('', NODES.replace(/\n {2}- \{ name: edge-2.*/, '')),
      /a\.yaml:5: nodes has 1 of role edge; the checks of edge-cluster need 2/,
    ],
    [
      'an upstream that is not there',
      file('', NODES.replace('addresses:', 'upstreams: [origin-7]\n    addresses:')),
      /nodes\[1\]\.upstreams\[0\] is no node of this file: origin-7/,
    ],
    [
      'an entry of a node that is not there',
      file("entries: [{ node: slb, use: play, protocol: rtmp, url: 'rtmp://a/live/{stream}' }]"),
      /a\.yaml:11: entries\[0\]\.node is no node of this file: slb/,
    ],
    [
      'an entry of another scheme',
      file("entries: [{ node: origin, use: play, protocol: flv, url: 'rtmp://a/live/{stream}' }]"),
      /a\.yaml:11: entries\[0\]\.url begins with http:\/\/ for this protocol/,
    ],
    [
      'an entry of one stream',
      file("entries: [{ node: origin, use: play, protocol: rtmp, url: 'rtmp://a/live/one' }]"),
      /entries\[0\]\.url has \{stream\} where the name of the stream goes/,
    ],
  ];
  for (const [what, text, says] of cases) {
    test(what, () => {
      const message = refusal(text);
      assert.match(message, says);
      assert.match(message, /docs\/targets\.md describes the file$/);
    });
  }

  test('a file that unfolds without end is refused', () => {
    const levels = Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`)}]`);
    assert.match(refusal(`a0: &a0 [x]\n${levels.join('\n')}`), /alias/);
  });

  test('whatever it holds, it is taken or refused, and nothing else happens', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.object().map((value) => stringify(value)),
        ),
        (text) => {
          try {
            parseTarget(text, 'a.yaml');
          } catch (error) {
            assert.ok(error instanceof LabError && error.code === 'lab.target', String(error));
          }
        },
      ),
    );
  });
});
