import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readOffer } from '../../../lab/builtin/rtc/negotiate.ts';
import { lintOffer } from '../../../protocols/sdp/lint.ts';
import { parseSdp } from '../../../protocols/sdp/parse.ts';
import { candidates } from '../../../scenarios/benchmark/k6-program.ts';
import { treeUsage } from '../../../scenarios/benchmark/tree-usage.ts';
import { isAccepted } from '../../../scenarios/k6/parts/api-answer.ts';
import { assignmentOf } from '../../../scenarios/k6/parts/assignment.ts';
import { signallingOffer } from '../../../scenarios/k6/parts/offer.ts';
import { resolveUri } from '../../../scenarios/k6/parts/resolve-uri.ts';

test('references are resolved as URL does', () => {
  const bases = ['http://h:8080/live/a.m3u8?x=1', 'https://h/a/b/c/d.m3u8', 'http://h', 'http://h/'];
  const references = [
    ...['a.ts', './a.ts', '../a.ts', '../../../a.ts', '/a.ts', '/a/../b.ts', 'a/./b.ts?c=../d', '//o/a.ts'],
    ...['http://o/b.ts', 'a.ts#f', '?y=2', '', '..', '.', 'a/..', 'a?b?c'],
  ];
  for (const base of bases) {
    for (const reference of references) {
      const expected = new URL(reference, base);
      expected.hash = '';
      assert.equal(resolveUri(reference, base), expected.href, `${reference} against ${base}`);
    }
  }
  assert.equal(resolveUri('a.ts', 'nowhere'), undefined);
});

test('offers are offers, to players and publishers', () => {
  for (const use of ['publish', 'play'] as const) {
    const text = signallingOffer(use);
    assert.deepEqual(lintOffer(parseSdp(text), use === 'publish' ? 'whip' : 'whep'), []);
    readOffer(text, use);
    assert.notEqual(signallingOffer(use), text);
  }
});

test('an API that answers 200 and a code has refused', () => {
  assert.ok(isAccepted({ status: 200, body: '{"code":0}' }));
  const refused: [number, string | null][] = [
    [200, '{"code":100}'],
    [200, '{}'],
    [200, 'null'],
    [200, '<html>'],
    [200, null],
    [404, '{"code":0}'],
  ];
  for (const [status, body] of refused) assert.ok(!isAccepted({ status, body }), `${status} ${body}`);
});

test('k6 is looked for where go install puts it, and K6_BIN is the last word', () => {
  const env = { PATH: '/usr/bin:/bin', GOPATH: '/g1:/g2', GOBIN: '/gobin' };
  const folders = ['/usr/bin', '/bin', '/gobin', '/g1/bin', '/g2/bin'];
  assert.deepEqual(
    candidates(env),
    folders.map((folder) => join(folder, 'k6')),
  );
  assert.deepEqual(candidates({ ...env, K6_BIN: '/opt/k6' }), ['/opt/k6']);
});

test('what a process takes is told, of one that is gone nothing', () => {
  const { cpuSeconds, pssMb } = treeUsage(process.pid);
  assert.ok(cpuSeconds > 0 && pssMb > 5, `${cpuSeconds} s, ${pssMb} MB`);
  assert.deepEqual(treeUsage(2 ** 30), { cpuSeconds: 0, pssMb: 0 });
});

test('the commands that are documented let no more viewers look into frames than k6 bears', () => {
  // docs/k6.md, What a viewer costs: with 2 of 20 k6 lags by 80 ms, with 3 of 30 by 102, and 100 are borne.
  const most = 2;
  const texts = ['docs/k6.md', 'scenarios/k6/hls-viewers.ts'].map((file) => readFileSync(file, 'utf8'));
  const commands = texts.join('\n').match(/k6 run -e [^\n]*hls-viewers\.ts$/gm) ?? [];
  assert.equal(commands.length, 3);
  for (const command of commands) {
    const setting = (name: string) => Number(new RegExp(`-e ${name}=(\\d+) `).exec(command)?.[1]);
    const viewers = Array.from({ length: setting('CLIENTS') }, (_, index) =>
      assignmentOf({ idInTest: index + 1, idInInstance: index + 1 }, ['url'], setting('INSPECT') || 1),
    );
    const looking = viewers.filter(({ inspect }) => inspect).length;
    assert.ok(looking >= 1 && looking <= most, `${looking} of ${viewers.length}: ${command}`);
  }
});
