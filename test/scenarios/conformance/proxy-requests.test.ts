import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { requests, rtmpCommands } from '../../../scenarios/conformance/proxy-requests.ts';
import { asked } from './proxy-story.ts';
import { judgeWith, Timeline } from './timeline.ts';

const CHECKS = [requests, rtmpCommands];
const verdict = (slug: string, timeline: Timeline) => judgeWith(CHECKS, `proxy/${slug}`, timeline).verdict;

test('nothing seen, or no origin reached, is not a pass', () => {
  for (const { id } of CHECKS) {
    assert.equal(judgeWith(CHECKS, id, new Timeline()).verdict, 'inconclusive', id);
    const lost = new Timeline().step(0, 'requests.found', { found: false });
    assert.equal(judgeWith(CHECKS, id, lost).verdict, 'inconclusive', id);
  }
});

describe('requests', () => {
  const ANSWERS = {
    redirect: { status: 302, headers: { location: '/live/elsewhere.flv?token=1' }, bytes: 0 },
    away: { status: 307, headers: { location: 'http://cdn.example/live/x.flv' }, bytes: 0 },
    forbidden: { status: 403, headers: { 'content-type': 'text/x-reason; charset=utf-8' }, bytes: 3 },
    partial: {
      status: 206,
      headers: {
        'content-type': 'video/x-check',
        'content-range': 'bytes 0-3/9',
        'x-origin': 'fake',
        'access-control-allow-origin': '*',
      },
      bytes: 4,
    },
  };
  type Name = keyof typeof ANSWERS;
  const names = Object.keys(ANSWERS) as Name[];
  interface Course {
    readonly of?: Name;
    readonly sent?: { readonly seen?: number; readonly sameTarget?: boolean; readonly lostHeaders?: string };
    readonly got?: {
      readonly status?: number;
      readonly headers?: Record<string, string>;
      readonly bytes?: number;
    };
  }
  const course = ({ of, sent = {}, got = {} }: Course = {}, all = names) => {
    const timeline = new Timeline().step(0, 'requests.found', { found: true });
    for (const name of all) {
      const well = { name, target: '/t', came: '/t', seen: 1, sameTarget: true, lostHeaders: '' };
      asked(timeline, 10, name, { ...ANSWERS[name], ...(name === of ? got : {}) });
      timeline.step(11, 'requests.sent', { ...well, ...(name === of ? sent : {}) });
    }
    return verdict('requests', timeline);
  };

  test('as they were sent, both ways', () => assert.equal(course(), 'pass'));
  test('of a request: its query, a header; none or two at the origin', () => {
    for (const of of names) {
      assert.equal(course({ of, sent: { sameTarget: false } }), 'fail', of);
      assert.equal(course({ of, sent: { lostHeaders: 'range' } }), 'fail', of);
      assert.equal(course({ of, sent: { seen: 0 } }), 'fail', of);
      assert.equal(course({ of, sent: { seen: 2 } }), 'fail', of);
    }
  });
  test('of an answer: its status, each header, the body', () => {
    for (const of of names) {
      assert.equal(course({ of, got: { status: 200 } }), 'fail', of);
      assert.equal(course({ of, got: { status: 0 } }), 'fail', of);
      assert.equal(course({ of, got: { bytes: ANSWERS[of].bytes + 1 } }), 'fail', of);
      const headers: Record<string, string> = ANSWERS[of].headers;
      for (const field of Object.keys(headers)) {
        const { [field]: _lost, ...rest } = headers;
        assert.equal(course({ of, got: { headers: rest } }), 'fail', field);
        assert.equal(course({ of, got: { headers: { ...headers, [field]: 'other' } } }), 'fail', field);
      }
    }
  });
  test('a request that was not made is not a pass', () =>
    assert.equal(course({}, names.slice(1)), 'inconclusive'));
});

describe('rtmp-commands', () => {
  const CODES = { 'let-in': 'NetStream.Publish.Start', refused: 'NetStream.Publish.BadName' };
  type Use = keyof typeof CODES;
  const uses = Object.keys(CODES) as Use[];
  interface Course {
    readonly of?: Use;
    readonly stream?: Readonly<Record<string, string | null>>;
    readonly status?: Readonly<Record<string, string | number | null>>;
  }
  const course = ({ of, stream = {}, status = {} }: Course = {}, all = uses) => {
    const timeline = new Timeline().step(0, 'requests.found', { found: true });
    for (const use of all) {
      const seen = { name: 's?token=1', seen: 's?token=1', app: 'live', tcUrl: 'rtmp://p/live' };
      timeline.step(10, 'requests.stream', {
        use,
        ...seen,
        seenTcUrl: 'rtmp://p/live',
        ...(use === of ? stream : {}),
      });
      timeline.step(11, 'requests.status', {
        use,
        code: CODES[use],
        earlyMs: -2,
        ...(use === of ? status : {}),
      });
    }
    return verdict('rtmp-commands', timeline);
  };

  test('as the encoder sent it, as the origin said it', () => assert.equal(course(), 'pass'));
  test('another name, application or tcUrl, another word, a word too early, or none', () => {
    for (const of of uses) {
      assert.equal(course({ of, stream: { seen: 's' } }), 'fail', of);
      assert.equal(course({ of, stream: { seen: null } }), 'fail', of);
      assert.equal(course({ of, stream: { app: 'other' } }), 'fail', of);
      assert.equal(course({ of, stream: { seenTcUrl: 'rtmp://origin/live' } }), 'fail', of);
      assert.equal(
        course({ of, status: { code: CODES[of === 'refused' ? 'let-in' : 'refused'] } }),
        'fail',
        of,
      );
      assert.equal(course({ of, status: { earlyMs: 298 } }), 'fail', of);
      assert.equal(course({ of, status: { code: null, earlyMs: null } }), 'fail', of);
    }
  });
  test('a publisher who was not there is not a pass', () =>
    assert.equal(course({}, ['let-in']), 'inconclusive'));
});
