import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FLV_CHECKS } from '../../../scenarios/conformance/flv.ts';
import type { StepData } from '../../../scenarios/history.ts';
import { frames, Script, verdictOf } from './histories.ts';

function judge(id: string, script: Script): { verdict: string; says: string } {
  const check = FLV_CHECKS.find((one) => one.id === id);
  assert.ok(check, id);
  return verdictOf(check.judge(script.history));
}

test('ids are of the area and unique, sources and mutants are named', () => {
  assert.equal(new Set(FLV_CHECKS.map(({ id }) => id)).size, FLV_CHECKS.length);
  for (const { id, spec, mutants } of FLV_CHECKS) {
    assert.match(id, /^flv\/[a-z0-9-]+$/);
    assert.ok(spec.source && spec.where && spec.says, id);
    assert.ok(mutants.length > 0, id);
  }
});

test('no check passes a history in which nothing was seen', () => {
  for (const { id, judge: judgeOf } of FLV_CHECKS) {
    assert.notEqual(verdictOf(judgeOf(new Script().history)).verdict, 'pass', id);
  }
});

describe('structure', () => {
  const head = { name: 'edge', status: 200, type: 'video/x-flv' };
  const header = {
    name: 'edge',
    signature: 'FLV',
    version: 1,
    hasAudio: true,
    hasVideo: true,
    reservedFlags: 0,
    dataOffset: 9,
    previousTagSize0: 0,
  };
  const tag = {
    name: 'edge',
    type: 9,
    flags: 0,
    timestamp: 0,
    streamId: 0,
    dataSize: 100,
    previousTagSize: 111,
  };

  function verdict(changes: { head?: StepData; header?: StepData; tag?: StepData; tags?: number }): string {
    const tags = Array.from({ length: changes.tags ?? 40 }, () => tag as StepData);
    if (changes.tag) tags[20] = { ...tag, ...changes.tag };
    const script = new Script()
      .step('files', { nodes: 'edge' })
      .step('http-head', { ...head, ...changes.head })
      .step('flv-header', { ...header, ...changes.header })
      .steps('flv-tag', tags)
      .step('flv-read', { name: 'edge' });
    return judge('flv/structure', script).verdict;
  }

  test('by the book', () => assert.equal(verdict({}), 'pass'));

  test('status and type', () => {
    assert.equal(verdict({ head: { status: 206 } }), 'fail');
    assert.equal(verdict({ head: { type: 'application/octet-stream' } }), 'fail');
    assert.equal(verdict({ head: { type: null } }), 'fail');
  });

  test('every field of the header', () => {
    const wrong: Record<string, StepData[string]> = {
      signature: 'FLW',
      version: 2,
      hasAudio: false,
      hasVideo: false,
      reservedFlags: 2,
      dataOffset: 13,
      previousTagSize0: 9,
    };
    for (const [field, value] of Object.entries(wrong)) {
      assert.equal(verdict({ header: { [field]: value } }), 'fail', field);
    }
  });

  test('every field of a tag', () => {
    for (const [field, value] of Object.entries({
      type: 10,
      flags: 0x20,
      streamId: 1,
      previousTagSize: 100,
    })) {
      assert.equal(verdict({ tag: { [field]: value } }), 'fail', field);
    }
  });

  test('few tags prove nothing', () => assert.equal(verdict({ tags: 39 }), 'inconclusive'));

  test('an answer that never came proves nothing, a broken exchange fails', () => {
    const none = new Script().step('files', { nodes: 'edge' });
    assert.equal(judge('flv/structure', none).verdict, 'inconclusive');
    none.step('wire.failed', {
      what: 'HTTP-FLV of edge',
      code: 'wire.timeout',
      expected: 'tags',
      actual: 'none',
    });
    assert.equal(judge('flv/structure', none).verdict, 'fail');
  });
});

describe('malformed', () => {
  const refused = { name: 'noise at origin', ending: 'server', against: '3', refused: 400, afterMs: 2 };

  function verdict(attacks: readonly StepData[], clients = 2): string {
    const script = new Script()
      .step('witness', { client: 'w', publisher: 'witnessed', node: 'origin', protocol: 'flv' })
      .sent('witnessed', frames(60))
      .got('w', frames(30))
      .step('witnesses.before')
      .step('attacks', { count: attacks.length })
      .steps('attack', attacks)
      .step('witnesses.after')
      .got('w', frames(30, 30))
      .step('own', { node: 'origin', own: 2 })
      .event({
        type: 'api.stream',
        node: 'origin',
        stream: 's',
        clients,
        upstreams: 0,
        upstreamsOf: {},
        publishers: 1,
      });
    return judge('flv/malformed', script).verdict;
  }

  test('a status of 400 and above or the end of the connection is a refusal', () => {
    for (const how of [400, 404, 414, 501, 'fin', 'reset']) {
      assert.equal(verdict([{ ...refused, refused: how }]), 'pass', `${how}`);
    }
  });

  test('a 200, a redirect and no answer are none', () => {
    for (const how of [200, 302, null])
      assert.equal(verdict([{ ...refused, refused: how }]), 'fail', `${how}`);
  });

  test('a client that is left behind fails it', () => assert.equal(verdict([refused], 3), 'fail'));
});
