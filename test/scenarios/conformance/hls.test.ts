import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HLS_CHECKS } from '../../../scenarios/conformance/hls.ts';
import { History, type HistoryEvent, type StepData } from '../../../scenarios/history.ts';
import { verdictOf } from './histories.ts';
import { type Changes, END, exchange, hlsStory, playlistEvents, uriOf } from './hls-story.ts';
import { Timeline, video } from './timeline.ts';

function judge(id: string, history: History): { verdict: string; says: string } {
  const check = HLS_CHECKS.find((one) => one.id === id);
  assert.ok(check, id);
  return verdictOf(check.judge(history));
}

/** The verdict on a stream with something changed; the words of a failure must match. */
function told(id: string, changes: Changes, verdict: string, says: RegExp): void {
  const judged = judge(id, hlsStory(changes));
  assert.equal(judged.verdict, verdict, judged.says);
  assert.match(judged.says, says);
}

test('no check passes a history in which nothing was seen', () => {
  for (const { id } of HLS_CHECKS) assert.notEqual(judge(id, new History()).verdict, 'pass', id);
});

test('a stream that was published, and of which no playlist ever came, fails', () => {
  const never = hlsStory({ listedAt: () => undefined });
  for (const id of [
    'media-sequence-monotonic',
    'target-duration',
    'window',
    'availability',
    'segments-whole',
  ]) {
    assert.equal(judge(`hls/${id}`, never).verdict, 'fail', id);
  }
});

describe('a stream as it should be', () => {
  for (const id of [
    'playlist-grammar',
    'media-sequence-monotonic',
    'target-duration',
    'window',
    'availability',
    'segments-whole',
    'continuity',
    'end-of-stream',
  ]) {
    test(id, () => assert.deepEqual(judge(`hls/${id}`, hlsStory()), { verdict: 'pass', says: '' }));
  }
});

describe('playlist-grammar', () => {
  const id = 'hls/playlist-grammar';

  test('a tag that is missing, and EXTINF without a comma', () => {
    told(id, { playlist: (text) => text.replace(/#EXT-X-TARGETDURATION.*\n/, '') }, 'fail', /TARGETDURATION/);
    told(id, { playlist: (text) => text.replaceAll(', no desc', '') }, 'fail', /line \d+/);
  });

  test('an answer that is no playlist', () => {
    const more = [exchange('web', 1500, 'http://127.0.0.1/live/s.m3u8')];
    told(id, { more }, 'fail', /1 answers do not begin/);
  });
});

/** What is not found, with the entry at which it is not. */
function failures(id: string, changes: Changes): string[] {
  const judgements = HLS_CHECKS.find((one) => one.id === id)!.judge(hlsStory(changes));
  return judgements.flatMap(({ verdict, expected }) => (verdict === 'fail' ? [expected] : []));
}

test('a stream that was not watched to its end, and of which no playlist came, tells nothing', () => {
  const line = new Timeline().step(900, 'watched', { nodes: 'web', direct: 'web' });
  line.step(950, 'published', { publisher: 'publisher' }).sent('publisher', video({ count: 25 }));
  for (const id of ['media-sequence-monotonic', 'target-duration', 'segments-whole'])
    assert.equal(judge(`hls/${id}`, line.history).verdict, 'inconclusive', id);
});

test('mistakes are told of the entry that makes them', () => {
  const ofWeb = (change: (text: string) => string): Changes => ({
    playlist: (text, { node }) => (node === 'web' ? change(text) : text),
  });
  for (const told of [
    failures(
      'hls/playlist-grammar',
      ofWeb((text) => text.replaceAll(', no desc', '')),
    ),
    failures('hls/window', { late: (data) => (data.client === 'web' ? { ...data, status: 404 } : data) }),
  ]) {
    assert.ok(told.length > 0 && told.every((expected) => expected.startsWith('web')), told.join('; '));
  }
});

describe('media-sequence-monotonic', () => {
  const id = 'hls/media-sequence-monotonic';

  test('numbers that begin anew', () => {
    told(id, { mediaSequence: (first) => first % 2 }, 'fail', /segment|sequence/);
  });

  test('numbers that jump', () => {
    told(id, { mediaSequence: (first) => first + Math.floor(first / 2) }, 'fail', /segment \d+/);
    // With a window of one segment nothing overlaps.
    told(
      id,
      {
        listed: (sequence) => [sequence - 1, sequence].filter((one) => one >= 0),
        mediaSequence: (first) => 2 * first,
      },
      'fail',
      /went from|its URI was/,
    );
  });

  test('a segment that goes from the end', () => {
    const listed = (sequence: number) => (sequence === 5 ? [0, 1, 2, 3] : [0, 1, 2, 3, 4]);
    told(id, { listed }, 'fail', /now only up to 3/);
  });
});

describe('target-duration', () => {
  const id = 'hls/target-duration';

  test('longer than the target by EXTINF', () => {
    told(id, { playlist: (text) => text.replace('#EXTINF:1.000', '#EXTINF:1.500') }, 'fail', /of 1.5 s/);
  });

  test('longer than the target by its pictures', () => {
    const frames: Changes['frames'] = (items, { sequence }) =>
      sequence === 3 ? [...items, ...video({ from: 100, count: 20 })] : items;
    told(id, { frames }, 'fail', /segment 3 has 1.8 s/);
  });

  test('a playlist that lists nothing has no segment below its target', () => {
    const empty = '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n';
    told(id, { playlist: () => empty, frames: () => [] }, 'inconclusive', /nothing: 1 s/);
  });

  test('a target that changes', () => {
    const playlist: Changes['playlist'] = (text, { sequence }) =>
      sequence > 5 ? text.replace('TARGETDURATION:1', 'TARGETDURATION:2') : text;
    told(id, { playlist }, 'fail', /changed: 1, 2/);
  });
});

describe('window', () => {
  const id = 'hls/window';

  test('one that grows', () => {
    told(id, { listed: (sequence) => Array.from({ length: sequence + 1 }, (_, i) => i) }, 'fail', /longer/);
  });

  test('one that is too short', () => {
    told(id, { listed: (sequence) => [sequence] }, 'fail', /shorter than the window/);
  });

  test('listed and gone, or gone too soon after', () => {
    told(
      id,
      { oldest: (data) => (data.sequence === 2 ? { ...data, status: 404 } : data) },
      'fail',
      /listed and/,
    );
    told(id, { late: (data) => ({ ...data, status: 404 }) }, 'fail', /segment 0: 404 1 ms after/);
  });

  test('gone when its time is over', () => {
    const late = (data: StepData) => ({ ...data, status: 404, afterMs: 9000 });
    assert.equal(judge(id, hlsStory({ late })).verdict, 'inconclusive');
  });
});

describe('availability', () => {
  const id = 'hls/availability';

  test('late from the beginning', () => {
    told(id, { listedAt: (t) => t + 2000 }, 'fail', /3100 ms/);
  });

  test('not with every segment', () => {
    told(
      id,
      { listedAt: (t, { sequence }) => (sequence % 3 === 0 ? t : undefined) },
      'fail',
      /3000 ms after/,
    );
  });

  test('not any more, until the publisher has left', () => {
    // The last three come together, when the stream is over.
    const listedAt: Changes['listedAt'] = (t, { sequence }) => (sequence < 7 ? t : Math.max(t, END + 100));
    told(id, { listedAt }, 'fail', /ms after segment 6/);
  });

  test('playlists that list nothing', () => {
    const playlist: Changes['playlist'] = (text) =>
      text.replaceAll(/#EXT-X-DISCONTINUITY\n|#EXTINF.*\n.*\n/g, '');
    told(id, { playlist }, 'fail', /no playlist lists any/);
  });

  test('it begins with the first picture, not with sound', () => {
    const sound = { kind: 'audio', timestamp: 0, size: 9, sum: 9, key: false, stamp: null } as const;
    const more: HistoryEvent[] = [
      { t: 960, type: 'publisher.sent', client: 'publisher', stream: 's', ...sound },
    ];
    const late: Changes['listedAt'] = (t, { sequence }) => (sequence === 0 ? t + 880 : t);
    assert.equal(judge(id, hlsStory({ listedAt: late })).verdict, 'pass');
    assert.equal(judge(id, hlsStory({ listedAt: late, more })).verdict, 'pass');
  });

  test('our own delay is not the server’s', () => {
    const more: HistoryEvent[] = [{ t: END + 5000, type: 'generator', loopLagMs: 900 }];
    assert.equal(judge(id, hlsStory({ listedAt: (t) => t + 2000, more })).verdict, 'inconclusive');
  });
});

describe('segments-whole', () => {
  const id = 'hls/segments-whole';
  const third = (change: StepData): Changes => ({
    segment: (data, { node, sequence }) => (sequence === 3 && node === 'web' ? { ...data, ...change } : data),
  });

  test('each of its parts', () => {
    told(id, third({ status: 404 }), 'fail', /segment 3 is answered with 404/);
    told(id, third({ broken: 'http.truncated' }), 'fail', /http.truncated/);
    told(id, third({ error: 'mpegts.packet' }), 'fail', /mpegts.packet/);
    told(id, third({ tablesFirst: false }), 'fail', /PAT and PMT/);
    told(id, third({ keyFirst: false }), 'fail', /begins with video frame 75/);
    told(id, third({ breaks: 2 }), 'fail', /2 breaks/);
    told(id, third({ parameterSets: false }), 'fail', /no SPS and PPS/);
    told(id, third({ clocked: false }), 'fail', /no PCR/);
    told(id, third({ streams: '1b 03' }), 'fail', /types 03 1b, not 0f 1b/);
    told(id, third({ adts: '2/48000/2' }), 'fail', /sound of 2\/48000\/2/);
  });

  test('shorter than it says', () => {
    const frames: Changes['frames'] = (items, { sequence }) => (sequence === 3 ? items.slice(0, 20) : items);
    told(id, { frames }, 'fail', /800 ms of pictures, its EXTINF says 1 s/);
  });
});

describe('continuity', () => {
  const id = 'hls/continuity';

  test('a frame that is lost, repeated, damaged or without a stamp', () => {
    const third = (
      change: (items: Parameters<NonNullable<Changes['frames']>>[0]) => typeof items,
    ): Changes => ({
      frames: (items, { sequence }) => (sequence === 3 ? change(items) : items),
    });
    told(
      id,
      third((items) => [items[0]!, ...items.slice(2)]),
      'fail',
      /frame 77 after 75/,
    );
    told(
      id,
      third((items) => [...items, ...video({ from: 100, count: 1 })]),
      'fail',
      /frame 100 after 100/,
    );
    const damaged = (item: ReturnType<typeof video>[number]) => ({
      ...item,
      stamp: { ...item.stamp!, intact: false },
    });
    told(
      id,
      third((items) => items.map(damaged)),
      'fail',
      /is not what was sent/,
    );
    told(
      id,
      third((items) => items.map((item) => ({ ...item, stamp: null }))),
      'fail',
      /has no stamp/,
    );
  });

  test('a player that stops on its way, and one that never begins', () => {
    told(id, { played: 10 }, 'fail', /^nothing after frame 59, the last one was 234$/);
    told(id, { played: 0 }, 'fail', /it got nothing, the last one was 234/);
    // What is left is listed still.
    assert.equal(judge(id, hlsStory({ played: 40 })).verdict, 'pass');
  });

  test('an audio frame that is lost at a cut', () => {
    const segment: Changes['segment'] = (data, { sequence }) =>
      sequence === 3 ? { ...data, audio: String(data.audio).split(' ').slice(1).join(' ') } : data;
    told(id, { segment }, 'fail', /75 of 234 are, then in segment 3/);
  });

  test('an audio frame that is not what was sent', () => {
    const segment: Changes['segment'] = (data, { sequence }) =>
      sequence === 3
        ? { ...data, audio: String(data.audio).replace(/:\d+:/, (sum) => sum.replace(/\d+/, '1')) }
        : data;
    told(id, { segment }, 'fail', /75 of 235 are, then in segment 3: other bytes/);
  });

  test('no audio frame at all', () => {
    const segment: Changes['segment'] = (data) => ({ ...data, audio: '' });
    told(id, { segment }, 'inconclusive', /^none/);
  });

  test('timestamps that begin anew, but for a discontinuity; a shift of all is none', () => {
    const shifted = (from: number, by: number, discontinuity: boolean): Changes => ({
      frames: (items, { sequence }) =>
        sequence < from ? items : items.map((item) => ({ ...item, timestamp: item.timestamp + by })),
      segment: (data, { sequence }) => {
        if (sequence < from) return data;
        const later = (times: unknown) =>
          String(times).replaceAll(/\d+(?= |$)/g, (at) => `${Number(at) + by}`);
        return {
          ...data,
          shownAt: later(data.shownAt),
          audio: later(data.audio),
          ...(sequence === from ? { discontinuity } : {}),
        };
      },
    });
    told(id, shifted(3, -3000, false), 'fail', /segment 3: frame 75 at 0 instead of 3000 ms/);
    assert.deepEqual(judge(id, hlsStory(shifted(3, -3000, true))), { verdict: 'pass', says: '' });
    assert.deepEqual(judge(id, hlsStory(shifted(0, 10_000, false))), { verdict: 'pass', says: '' });
  });

  test('sound and pictures that are not in time with each other', () => {
    const late = (by: number, what: 'audio' | 'shownAt'): Changes => ({
      segment: (data) => ({
        ...data,
        [what]: String(data[what]).replaceAll(/\d+(?= |$)/g, (at) => `${Number(at) + by}`),
      }),
    });
    told(id, late(500, 'audio'), 'fail', /segment 0: sound 500 ms after its picture/);
    told(id, late(500, 'shownAt'), 'fail', /segment 0: sound -500 ms after its picture/);
    for (const what of ['audio', 'shownAt'] as const) {
      assert.equal(judge(id, hlsStory(late(80, what))).verdict, 'pass', what);
    }
  });

  test('counters that begin anew, but for a discontinuity', () => {
    const reset =
      (discontinuity: boolean): Changes['segment'] =>
      (data, { sequence }) =>
        sequence === 3 ? { ...data, firstCounters: '0:3 4096:3 256:0', discontinuity } : data;
    told(id, { segment: reset(false) }, 'fail', /^segment 3, PID 256: 0 after 5;/);
    assert.equal(judge(id, hlsStory({ segment: reset(true) })).verdict, 'pass');
  });

  test('tables that begin anew with every segment are told apart', () => {
    const segment: Changes['segment'] = (data) => {
      const media = String(data.firstCounters).split(' ')[2];
      return {
        ...data,
        firstCounters: `0:0 4096:0 ${media}`,
        lastCounters: String(data.lastCounters).replace(/^.* 256/, '0:0 4096:0 256'),
      };
    };
    const check = HLS_CHECKS.find((one) => one.id === id)!;
    const failures = check.judge(hlsStory({ segment })).filter(({ verdict }) => verdict === 'fail');
    assert.equal(failures.length, 3, 'of three entries');
    for (const { expected } of failures) assert.match(expected, /PAT and PMT/);
  });

  test('what a player had to skip', () => {
    const problem = {
      type: 'client.problem',
      client: 'player',
      code: 'hls.gap',
      detail: '2 segments',
    } as const;
    told(id, { more: [{ t: 5000, ...problem }] }, 'fail', /hls.gap/);
  });
});

describe('end-of-stream', () => {
  const id = 'hls/end-of-stream';

  test('a last segment that never comes, or late', () => {
    told(id, { listedAt: (t, { sequence }) => (sequence === 9 ? undefined : t) }, 'fail', /frame 224/);
    told(id, { listedAt: (t, { sequence }) => (sequence === 9 ? t + 3000 : t) }, 'fail', /after 3100 ms/);
  });

  test('frames that are in no segment, of either kind', () => {
    const frames: Changes['frames'] = (items, { sequence }) => (sequence === 3 ? items.slice(0, 24) : items);
    told(id, { frames }, 'fail', /^234;/);
    const sound = { kind: 'audio', timestamp: 9000, size: 9, sum: 9, key: false, stamp: null } as const;
    const more: HistoryEvent[] = [
      { t: END - 1, type: 'publisher.sent', client: 'publisher', stream: 's', ...sound },
    ];
    told(id, { more }, 'fail', /^235;/);
  });

  test('no sound in segments is not all of it where none was sent', () => {
    const mute = new History();
    for (const event of hlsStory({ segment: (data) => ({ ...data, audio: '' }) }).events)
      if (event.type !== 'publisher.sent' || event.kind !== 'audio') mute.append(event);
    const { verdict, says } = judge(id, mute);
    assert.equal(verdict, 'inconclusive');
    assert.match(says, /^none was sent/);
  });

  test('a playlist that is not answered any more does not stay as it is', () =>
    told(id, { askedUntil: END + 200 }, 'inconclusive', /later than 100 ms after the last change/));

  test('a publisher who left without a frame tells nothing', () => {
    const line = new Timeline().step(900, 'watched', { nodes: 'web', direct: 'web' });
    line.step(1000, 'unpublished', { publisher: 'publisher' });
    const { verdict, says } = judge(id, line.history);
    assert.equal(verdict, 'inconclusive');
    assert.match(says, /did not get that far/);
  });

  test('a playlist that goes on changing, and one that says that it is over', () => {
    const again = playlistEvents(
      'web',
      END + 3900,
      '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:9\n#EXTINF:1,\nx.ts\n',
    );
    told(id, { more: again }, 'fail', /no change for 100 ms/);
    const ended = playlistEvents(
      'web',
      END + 3900,
      '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:9\n#EXTINF:1,\nx.ts\n#EXT-X-ENDLIST\n',
    );
    assert.equal(judge(id, hlsStory({ more: ended })).verdict, 'pass');
  });
});

describe('republish-discontinuity', () => {
  const id = 'hls/republish-discontinuity';

  function republished(
    changes: {
      isMarked?: boolean;
      isMixed?: boolean;
      isReset?: boolean;
      isLost?: boolean;
      /** Of the second publisher: in no segment, or not sent at all. */
      second?: 'unlisted' | 'unsent';
      /** The playlist with its first segment is not read. */
      isUnread?: boolean;
    } = {},
  ): History {
    const { isMarked = true, isMixed = false, isReset = false, isLost = false } = changes;
    const line = new Timeline()
      .step(900, 'watched', { nodes: 'web' })
      .step(950, 'published', { publisher: 'first' })
      .sent('first', video({ stream: 1, count: 25 }))
      .sent('second', changes.second === 'unsent' ? [] : video({ stream: 2, count: 25 }));
    const first = isMixed
      ? [...video({ stream: 1, count: 25 }), ...video({ stream: 2, count: 2 })]
      : video({ stream: isLost ? 3 : 1, count: 25 });
    const head = '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n';
    const entry = (sequence: number) => `#EXTINF:1.000,\n${uriOf(sequence)}\n`;
    const mark = isMarked ? '#EXT-X-DISCONTINUITY\n' : '';
    const texts = [
      `${head}#EXT-X-MEDIA-SEQUENCE:4\n${entry(4)}`,
      isReset
        ? `${head}#EXT-X-MEDIA-SEQUENCE:0\n${mark}${entry(0)}`
        : `${head}#EXT-X-MEDIA-SEQUENCE:4\n${entry(4)}${mark}${entry(5)}`,
    ];
    const second = video({ stream: changes.second === undefined ? 2 : 1, from: 25, count: 25 });
    for (const [i, frames] of [first, second].entries()) {
      const sequence = isReset && i === 1 ? 0 : 4 + i;
      const text = changes.isUnread && i === 1 ? `${texts[0]}#EXT-X-ENDLIST\n` : texts[i]!;
      for (const event of playlistEvents('web', 3000 + 1000 * i, text)) line.history.append(event);
      line.got('web', frames).step(3000 + 1000 * i, 'segment', {
        client: 'web',
        sequence,
        uri: uriOf(sequence),
        duration: 1,
        discontinuity: i === 1 && isMarked,
        status: 200,
      });
    }
    return line.step(9000, 'watched-to-end').history;
  }

  test('marked, and counted on', () =>
    assert.deepEqual(judge(id, republished()), { verdict: 'pass', says: '' }));
  test('not marked', () =>
    assert.match(judge(id, republished({ isMarked: false })).says, /none before segment 5/));
  test('a playlist that was not read marks nothing', () =>
    assert.deepEqual(judge(id, republished({ isUnread: true })), {
      verdict: 'inconclusive',
      says: 'no playlist with segment 5 was read',
    }));
  test('mixed', () => assert.match(judge(id, republished({ isMixed: true })).says, /frames of both/));
  test('no segment of the first publisher', () => {
    const { verdict, says } = judge(id, republished({ isLost: true }));
    assert.deepEqual([verdict, says], ['fail', 'none']);
  });
  test('no segment of the second publisher', () =>
    assert.match(judge(id, republished({ second: 'unlisted' })).says, /no segment has frames of the second/));
  test('no second publisher tells nothing', () =>
    assert.equal(judge(id, republished({ second: 'unsent' })).verdict, 'inconclusive'));
  test('counted anew', () => assert.equal(judge(id, republished({ isReset: true })).verdict, 'fail'));
});
