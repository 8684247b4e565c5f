import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FLV_CHECKS } from '../../../scenarios/conformance/flv.ts';
import type { StepData } from '../../../scenarios/history.ts';
import { frames, Script, verdictOf } from './histories.ts';
import { judgeWith, Timeline, video } from './timeline.ts';

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

  function verdict(changes: {
    head?: StepData;
    header?: StepData;
    tag?: StepData;
    tags?: number;
    /** The type of all tags. Default audio and video in turn. */
    only?: number;
  }): string {
    const tags = Array.from(
      { length: changes.tags ?? 40 },
      (_, i) => ({ ...tag, type: changes.only ?? 8 + (i % 2) }) as StepData,
    );
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

  test('tags of one kind do not show that the flags are right', () => {
    for (const only of [8, 9, 18]) assert.equal(verdict({ only }), 'inconclusive');
  });

  test('an answer without a header fails', () => {
    const script = new Script().step('files', { nodes: 'edge' }).step('http-head', head);
    assert.deepEqual(judge('flv/structure', script), { verdict: 'fail', says: 'none' });
  });

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

  /** @param options `count`: how many attacks were to be made; `read`: whether the API was read. */
  function verdict(
    attacks: readonly StepData[],
    { clients = 2, count = attacks.length, read = true, asked = true } = {},
  ): string {
    const script = new Script()
      .step('witness', { client: 'w', publisher: 'witnessed', node: 'origin', protocol: 'flv' })
      .sent('witnessed', frames(60))
      .got('w', frames(30))
      .step('witnesses.before')
      .step('attacks', { count })
      .steps('attack', attacks)
      .step('witnesses.after')
      .got('w', frames(30, 30));
    if (asked) script.step('own', { node: 'origin', own: 2 });
    const reading = { stream: 's', clients, upstreams: 0, upstreamsOf: {}, publishers: 1 };
    if (read) script.event({ type: 'api.stream', node: 'origin', ...reading });
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

  test('a client that is left behind fails it', () =>
    assert.equal(verdict([refused], { clients: 3 }), 'fail'));

  test('who breaks off by itself needs no status, who does not must not end it', () => {
    assert.equal(verdict([{ ...refused, ending: 'rst', refused: 'local' }]), 'pass');
    assert.equal(verdict([{ ...refused, ending: 'server', refused: 'local' }]), 'fail');
  });

  test('attacks that were not made, and an API that was not read, tell nothing', () => {
    assert.equal(verdict([refused], { count: 2 }), 'inconclusive');
    assert.equal(verdict([refused], { read: false }), 'inconclusive');
    assert.equal(verdict([refused], { asked: false }), 'inconclusive');
  });

  test('an API that does not know the witnesses either knows of nobody’s end', () => {
    assert.equal(verdict([refused], { clients: 1 }), 'inconclusive');
    assert.equal(verdict([refused], { clients: 0 }), 'inconclusive');
  });
});

describe('cors', () => {
  const of = (answer?: StepData) => {
    const script = new Script().step('asked', { nodes: 'origin edge-1' });
    script.step('flv-cors', { name: 'origin', status: 200, allowed: '*' });
    if (answer !== undefined) script.step('flv-cors', { name: 'edge-1', ...answer });
    return judge('flv/cors', script);
  };

  test('for any origin, and for the page’s', () => {
    assert.equal(of({ status: 200, allowed: '*' }).verdict, 'pass');
    assert.equal(of({ status: 200, allowed: 'http://player.liveproof.test' }).verdict, 'pass');
  });

  test('another origin, none, another status', () => {
    assert.match(of({ status: 200, allowed: 'http://other.test' }).says, /for origin http:\/\/other\.test/);
    assert.match(of({ status: 200, allowed: null }).says, /for origin none/);
    assert.equal(of({ status: 206, allowed: '*' }).verdict, 'fail');
  });

  test('a node that did not answer tells nothing', () => {
    assert.deepEqual(of(), { verdict: 'inconclusive', says: 'no answer' });
  });
});

describe('absent streams', () => {
  interface Course {
    readonly media?: boolean;
    readonly seekers?: number;
    /** Upstream connections of edge-1, and when. */
    readonly opened?: readonly number[];
    /** Clients of the stream at the origin and at the edge, once all have left. */
    readonly left?: number;
    /** Nodes whose API has them while they are there. */
    readonly seen?: readonly string[];
    readonly originRead?: boolean;
    readonly until?: 'seeking' | 'leaving' | 'gone';
  }
  /** Seekers come at 1 s and leave at 3 s. */
  const course = (changes: Course = {}) => {
    const { media = false, seekers = 6, opened = [1100], left = 0, until = 'gone' } = changes;
    const { seen = ['origin', 'edge-1'], originRead = true } = changes;
    const timeline = new Timeline()
      .step(1, 'witness', { client: 'w', publisher: 'witnessed', node: 'origin', protocol: 'flv' })
      .sent('witnessed', video({ count: 200 }))
      .got('w', video({ count: 200 }))
      .step(2, 'witnesses.before')
      .step(1000, 'absent.seeking', {
        ...{ stream: 'absent', nodes: 'origin edge-1', edges: 'edge-1', seekers: 6 },
      });
    for (const t of opened) timeline.open(t, 'edge-1').open(t, 'edge-2');
    for (const node of seen) timeline.api(1500, 'absent', { clients: 3 }, node);
    for (let i = 0; i < seekers; i++)
      timeline.step(2900, 'absent.seeker', { node: 'edge-1', answer: '404', media: media && i === 0 });
    if (until !== 'seeking') {
      timeline.step(3000, 'absent.leaving').api(3100, 'absent', { clients: left }, 'edge-1');
      if (originRead) timeline.api(3150, 'absent', {}, 'origin');
    }
    if (until === 'gone') timeline.step(3200, 'absent.gone');
    timeline.api(3300, 'other', { clients: 2 }, 'edge-1').step(3300, 'witnesses.after');
    return judgeWith(FLV_CHECKS, 'flv/missing-stream', timeline);
  };

  test('no media, one pull, nobody left', () => assert.deepEqual(course(), { verdict: 'pass', says: '' }));
  test('media of a stream that nobody publishes', () =>
    assert.match(course({ media: true }).says, /^media from/));
  test('a pull for every player', () => {
    assert.equal(course({ opened: [1100, 1200] }).says, '2 upstream connections');
    assert.equal(course({ opened: [1100, 1200], until: 'seeking' }).verdict, 'fail');
  });
  test('pulls before and after do not count', () =>
    assert.equal(course({ opened: [900, 1100, 3050] }).verdict, 'pass'));
  test('a client that is left behind', () => assert.equal(course({ left: 1 }).says, 'edge-1: 1'));
  test('what was not watched to its end tells nothing', () => {
    assert.match(course({ seekers: 0 }).says, /^no player was seen to ask/);
    assert.match(course({ until: 'seeking' }).says, /not watched long enough; .*never all seen/);
    assert.equal(course({ until: 'leaving' }).says, 'the API was not read to the end');
    assert.equal(course({ originRead: false }).says, 'the API was not read to the end');
    assert.match(course({ seen: ['edge-1'] }).says, /never all seen in the API/);
    assert.match(course({ opened: [] }).says, /no upstream connection at all/);
  });
});
