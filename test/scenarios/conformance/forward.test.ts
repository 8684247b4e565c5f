import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { forward } from '../../../scenarios/conformance/forward.ts';
import type { MediaItem } from '../../../scenarios/history.ts';
import { audio, failuresOf, headers, judgeWith, Timeline, video } from './timeline.ts';

function judge(id: string, timeline: Timeline): { verdict: string; says: string } {
  return judgeWith(forward, `forward/${id}`, timeline);
}

test('no check passes a history in which nothing was seen', () => {
  for (const { id, judge: judgeOf } of forward) {
    const verdicts = judgeOf(new Timeline().history).map(({ verdict }) => verdict);
    assert.ok(verdicts.length > 0 && !verdicts.includes('pass'), id);
  }
});

const SLAVES = ['slave-1', 'slave-2'];

describe('reaches-every-slave', () => {
  const media = [...headers, ...video({ count: 65 }), ...audio({ count: 65 })];
  interface Slave {
    readonly opened?: readonly string[];
    readonly publishers?: number;
    readonly got?: readonly MediaItem[];
  }
  /** The first slave is as it should be. */
  const seen = (second: Slave, having = ['master-2'], missed?: string) => {
    const timeline = new Timeline().sent('publisher', media).step(10, 'published', {
      publisher: 'publisher',
      holder: 'master-2',
      masters: 'master-1 master-2',
      slaves: SLAVES.join(' '),
    });
    for (const [slave, { opened = ['master-2'], publishers = 1, got = media }] of [
      ['slave-1', {} as Slave],
      ['slave-2', second],
    ] as const) {
      for (const master of opened) timeline.open(20, master, slave);
      timeline.api(30, 's', { publishers }, slave).got(slave, got);
    }
    for (const master of ['master-1', 'master-2']) {
      timeline.api(40, 's', { publishers: having.includes(master) ? 1 : 0 }, master);
    }
    if (missed !== undefined) timeline.missed(5000, missed);
    return judge('reaches-every-slave', timeline);
  };

  test('one master, one forwarder, every frame pass', () => assert.equal(seen({}).verdict, 'pass'));
  test('two masters, or none, with the publisher fail', () => {
    assert.equal(seen({}, ['master-1', 'master-2']).verdict, 'fail');
    assert.equal(seen({}, []).verdict, 'fail');
  });
  test('of three masters one has the publisher', () => {
    const timeline = new Timeline().sent('publisher', media).step(10, 'published', {
      ...{ publisher: 'publisher', holder: 'm2', masters: 'm1 m2 m3', slaves: 'slave-1' },
    });
    for (const master of ['m1', 'm2', 'm3'])
      timeline.api(40, 's', { publishers: master === 'm2' ? 1 : 0 }, master);
    timeline.open(20, 'm2', 'slave-1').api(30, 's', {}, 'slave-1').got('slave-1', media);
    assert.deepEqual(judge('reaches-every-slave', timeline), { verdict: 'pass', says: '' });
  });
  test('a slave that is left out fails', () => {
    const { verdict, says } = seen({ opened: [], publishers: 0, got: [] }, undefined, 'slave-2: 60 frames');
    assert.equal(verdict, 'fail');
    assert.match(says, /publishers in its API: 0/);
  });
  test('a forwarder that the tap did not see is inconclusive', () =>
    assert.equal(seen({ opened: [] }).verdict, 'inconclusive'));
  test('two connections fail, of one master or of both', () => {
    assert.equal(seen({ opened: ['master-2', 'master-2'] }).verdict, 'fail');
    assert.equal(seen({ opened: ['master-1', 'master-2'] }).verdict, 'fail');
  });
  test('a frame that is missing, or has other bytes, fails', () => {
    assert.equal(seen({ got: media.toSpliced(20, 1) }).verdict, 'fail');
    assert.equal(seen({ got: media.with(20, { ...media[20]!, sum: 0 }) }).verdict, 'fail');
  });
  test('no audio fails', () => {
    assert.equal(seen({ got: media.filter(({ kind }) => kind !== 'audio') }).verdict, 'fail');
  });
  test('audio that ends before video does fails', () => {
    assert.equal(
      seen({ got: media.filter(({ kind, timestamp }) => kind !== 'audio' || timestamp < 40) }).verdict,
      'fail',
    );
  });
  test('a master that was not asked, and a cluster without slaves, tell nothing', () => {
    const course = (asked: readonly string[], slaves: string) => {
      const timeline = new Timeline().sent('publisher', media).step(10, 'published', {
        ...{ publisher: 'publisher', holder: 'm2', masters: 'm1 m2', slaves },
      });
      for (const master of asked) timeline.api(40, 's', { publishers: master === 'm2' ? 1 : 0 }, master);
      timeline.open(20, 'm2', 'slave-1').api(30, 's', {}, 'slave-1').got('slave-1', media);
      return judge('reaches-every-slave', timeline).verdict;
    };
    assert.equal(course(['m1', 'm2'], 'slave-1'), 'pass');
    assert.equal(course(['m2'], 'slave-1'), 'inconclusive');
    assert.equal(course(['m1', 'm2'], ''), 'inconclusive');
  });
  test('a forwarder of another master fails, also where that of the right one was not seen', () =>
    assert.equal(seen({ opened: ['master-1'] }).verdict, 'fail'));
  test('too few frames fail when they were waited for', () => {
    const few = media.slice(0, 40);
    assert.equal(seen({ got: few }, undefined, 'slave-2: 60 further video frames').verdict, 'fail');
    assert.equal(seen({ got: few }, undefined, 'slave-1: 60 further video frames').verdict, 'inconclusive');
  });
});

describe('round-robin', () => {
  const landed = (masters: readonly number[], missed?: string, told = true) => {
    const timeline = new Timeline().step(0, 'turns', { masters: 'master-1 master-2' });
    for (const [turn, master] of masters.entries()) {
      if (told) timeline.api(turn, `s${turn}`, {}, `master-${master}`);
      timeline.step(turn, 'landed', { stream: `s${turn}`, master: `master-${master}` });
    }
    if (missed !== undefined) timeline.missed(1000, missed);
    return judge('round-robin', timeline).verdict;
  };
  test('each master is told with its share', () => {
    const timeline = new Timeline().step(0, 'turns', { masters: 'master-1 master-2' });
    for (const master of ['master-1', 'master-2', 'master-2', 'master-2'])
      timeline.api(1, 's', {}, master).step(1, 'landed', { stream: 's', master });
    assert.equal(judge('round-robin', timeline).says, 'master-1: 1, master-2: 3');
  });
  test('two each pass', () => assert.equal(landed([1, 2, 1, 2]), 'pass'));
  test('one with more than its share fails', () => {
    assert.equal(landed([1, 1, 1, 1]), 'fail');
    assert.equal(landed([1, 2, 2, 2]), 'fail');
  });
  test('a publisher who is not let in fails', () =>
    assert.equal(landed([1, 2, 1], 'turn-4: NetStream.Publish.Start'), 'fail'));
  test('fewer turns for another reason are inconclusive', () =>
    assert.equal(landed([1, 2, 1]), 'inconclusive'));
  test('publishers of whom no master told, and a cluster without masters, tell nothing', () => {
    assert.equal(landed([1, 2, 1, 2], undefined, false), 'inconclusive');
    const timeline = new Timeline().step(0, 'turns', { masters: '' });
    for (let turn = 1; turn <= 4; turn++)
      timeline.api(1, 's', {}, 'm').step(1, 'landed', { stream: 's', master: 'm' });
    assert.equal(judge('round-robin', timeline).verdict, 'inconclusive');
  });
});

describe('publish-ends-everywhere', () => {
  const course = (publishers: number, closed = true) => {
    const timeline = new Timeline();
    for (const slave of SLAVES) timeline.open(5, 'master-1', slave).api(10, 's', {}, slave);
    timeline.step(20, 'everywhere', { holder: 'master-1', slaves: SLAVES.join(' ') }).step(30, 'left');
    timeline.close(40, 'master-1', 'slave-1').api(50, 's', { publishers: 0 }, 'slave-1');
    if (closed) timeline.close(40, 'master-1', 'slave-2');
    return timeline.api(60, 's', { publishers }, 'slave-2');
  };
  const left = (publishers: number, closed = true) =>
    judge('publish-ends-everywhere', course(publishers, closed)).verdict;
  test('gone everywhere passes', () => assert.equal(left(0), 'pass'));
  test('one slave that still has it fails', () => assert.equal(left(1), 'fail'));
  test('a forwarder that stays fails', () => assert.equal(left(0, false), 'fail'));
  test('it is told which slave it is', () => {
    for (const timeline of [course(1), course(0, false)]) {
      const [first, ...others] = failuresOf(forward, 'forward/publish-ends-everywhere', timeline);
      assert.match(first!, /^slave-2: /);
      assert.equal(others.length, 0);
    }
  });
  test('what a slave said before the publisher left tells nothing', () => {
    const timeline = new Timeline()
      .step(20, 'everywhere', { holder: 'm', slaves: 'slave-1' })
      .api(25, 's', { publishers: 0 }, 'slave-1')
      .step(30, 'left');
    assert.equal(judge('publish-ends-everywhere', timeline).verdict, 'inconclusive');
  });
  test('an API that tells of no publisher while there is one does not know that it is gone', () => {
    const timeline = new Timeline().open(5, 'm', 'slave-1').api(10, 's', { publishers: 0 }, 'slave-1');
    timeline.step(20, 'everywhere', { holder: 'm', slaves: 'slave-1' }).step(30, 'left');
    timeline.close(40, 'm', 'slave-1').api(50, 's', { publishers: 0 }, 'slave-1');
    assert.equal(judge('publish-ends-everywhere', timeline).verdict, 'inconclusive');
  });
  test('a forwarder that ends late fails, unless it was us who were late', () => {
    const ended = (after: number, loopLag = 5) => {
      const timeline = new Timeline().open(5, 'm', 'slave-1').api(10, 's', {}, 'slave-1');
      timeline.step(20, 'everywhere', { holder: 'm', slaves: 'slave-1' }).step(30, 'left');
      timeline.api(50, 's', { publishers: 0 }, 'slave-1').close(30 + after, 'm', 'slave-1');
      return judge('publish-ends-everywhere', timeline.generator(9000, loopLag)).verdict;
    };
    assert.equal(ended(2000), 'pass');
    assert.equal(ended(2001), 'fail');
    assert.equal(ended(2001, 1500), 'inconclusive');
  });
  test('a tap that never saw a forwarder does not know that it is gone', () => {
    const timeline = new Timeline()
      .step(20, 'everywhere', { holder: 'm', slaves: 'slave-1' })
      .step(30, 'left')
      .api(50, 's', { publishers: 0 }, 'slave-1');
    assert.equal(judge('publish-ends-everywhere', timeline).verdict, 'inconclusive');
  });
  test('slaves that were not asked are inconclusive', () => {
    const timeline = new Timeline()
      .step(20, 'everywhere', { holder: 'm', slaves: 'slave-1' })
      .step(30, 'left');
    assert.equal(judge('publish-ends-everywhere', timeline).verdict, 'inconclusive');
  });
});

describe('slave-restart', () => {
  /** 12 s of frames; the slave is killed at 2 s and there again at 3 s. */
  const media = video({ count: 300 });
  const played = (options: {
    bystander?: readonly MediaItem[];
    /** Of the first frame at the slave. */
    back?: number;
    loopLag?: number;
    lost?: string;
    missed?: string;
  }) => {
    const { bystander = media, back = 150, loopLag = 5, lost, missed } = options;
    const timeline = new Timeline()
      .step(1000, 'all-play', { publisher: 'publisher', bystanders: 'a b', slave: 'slave-1' })
      .killSeen(2000, 'slave-1')
      .step(3000, 'started-again')
      .sent('publisher', media)
      .got('a', media)
      .got('b', bystander)
      .got('back', video({ from: back, count: Math.max(0, 300 - back) }));
    if (lost !== undefined) timeline.lost(2500, lost);
    if (missed !== undefined) timeline.missed(8000, missed);
    return judge('slave-restart', timeline.generator(12_050, loopLag)).verdict;
  };
  test('back after a retry and a keyframe passes', () => assert.equal(played({}), 'pass'));
  test('back too late fails, unless it was us who were late', () => {
    assert.equal(played({ back: 225 }), 'fail');
    assert.equal(played({ back: 225, loopLag: 4000 }), 'inconclusive');
  });
  test('never back fails when it was waited for', () => {
    assert.equal(played({ back: 300, missed: 'back: a video keyframe' }), 'fail');
    assert.equal(played({ back: 300 }), 'inconclusive');
  });
  test('frames without a keyframe, and those of before, are not the stream', () => {
    const got = (...items: MediaItem[]) => {
      const timeline = new Timeline()
        .step(1000, 'all-play', { publisher: 'publisher', bystanders: 'a', slave: 'slave-1' })
        .killSeen(2000, 'slave-1')
        .step(3000, 'started-again')
        .sent('publisher', media)
        .got('a', media)
        .got('back', items);
      return judge('slave-restart', timeline.generator(12_050, 5)).verdict;
    };
    const late = video({ from: 225, count: 10 });
    assert.equal(got(...video({ from: 151, count: 10 }), ...late), 'fail');
    assert.equal(got(...video({ from: 25, count: 1 }), ...late), 'fail');
    assert.equal(got(...video({ from: 151, count: 10 }), ...video({ from: 175, count: 10 })), 'pass');
  });
  test('a publisher who loses its connection fails', () =>
    assert.equal(played({ lost: 'publisher' }), 'fail'));
  test('a bystander who waits while the slave is not there fails', () => {
    const timeline = new Timeline()
      .step(1000, 'all-play', { publisher: 'publisher', bystanders: 'b', slave: 'slave-1' })
      .killSeen(2000, 'slave-1')
      .step(3000, 'started-again')
      .sent('publisher', media)
      .got('b', media.slice(0, 50))
      .got('b', media.slice(50), 2000)
      .got('back', video({ from: 150, count: 150 }));
    const { verdict, says } = judge('slave-restart', timeline.generator(14_050, 5));
    assert.equal(verdict, 'fail');
    assert.match(says, /1940 ms at the most/);
  });
  test('a bystander who had no frame since the slave went is not known to have noticed nothing', () => {
    for (const bystander of [[], media.slice(0, 40)]) {
      const timeline = new Timeline()
        .step(1000, 'all-play', { publisher: 'publisher', bystanders: 'b', slave: 'slave-1' })
        .killSeen(2000, 'slave-1')
        .step(2100, 'started-again')
        .sent('publisher', media)
        .got('b', bystander)
        .got('back', video({ from: 50, count: 1 }));
      assert.equal(judge('slave-restart', timeline.generator(2300, 5)).verdict, 'inconclusive');
    }
  });
  test('without a bystander, or a kill, there was nothing to notice', () => {
    const course = (bystanders: string, killed: boolean) => {
      const timeline = new Timeline().step(1000, 'all-play', {
        publisher: 'publisher',
        bystanders,
        slave: 'slave-1',
      });
      if (killed) timeline.killSeen(2000, 'slave-1');
      timeline.step(3000, 'started-again').sent('publisher', media);
      for (const player of ['a', 'back']) timeline.got(player, media);
      return judge('slave-restart', timeline.generator(12_050, 5)).verdict;
    };
    assert.equal(course('a', true), 'pass');
    assert.equal(course('', true), 'inconclusive');
    assert.equal(course('a', false), 'inconclusive');
  });
  test('a slave that was not seen to be gone was not down', () => {
    const course = (met: string | null) => {
      const timeline = new Timeline()
        .step(1000, 'all-play', { publisher: 'publisher', bystanders: 'a', slave: 'slave-1' })
        .killSeen(2000, 'slave-1', met)
        .control(2900, 'slave-1', 'restart')
        .step(3000, 'started-again')
        .sent('publisher', media);
      for (const player of ['a', 'back']) timeline.got(player, media);
      return judge('slave-restart', timeline.generator(12_050, 5));
    };
    assert.equal(course('ECONNREFUSED').verdict, 'pass');
    assert.equal(course('silence').verdict, 'pass');
    assert.deepEqual(course('open'), {
      verdict: 'inconclusive',
      says: 'its port took a connection 1 ms later',
    });
    assert.equal(course(null).verdict, 'inconclusive', 'nobody looked');
  });
  test('a bystander who loses a frame, its connection, or the stream fails', () => {
    assert.equal(played({ bystander: media.toSpliced(60, 1) }), 'fail');
    assert.equal(played({ lost: 'b' }), 'fail');
    assert.equal(played({ bystander: media.slice(0, 70) }), 'fail');
  });
});

/** The link of a slave breaks at 1 s, and the tap sees it go and come again. */
function broken({ closed = true, opened = true } = {}): Timeline {
  const timeline = new Timeline()
    .open(10, 'master-1', 'slave-1')
    .step(1000, 'link-broken', { from: 'master-1', to: 'slave-1' });
  if (closed) timeline.close(1001, 'master-1', 'slave-1');
  return opened ? timeline.open(4000, 'master-1', 'slave-1') : timeline;
}

describe('absolute-timestamps', () => {
  const sent = [...video({ count: 200 }), ...audio({ count: 200 })];
  const got = [...video({ from: 100, count: 20 }), ...audio({ from: 100, count: 20 })];
  const seen = (items: readonly MediaItem[]) =>
    judge(
      'absolute-timestamps',
      broken()
        .sent('publisher', sent)
        .step(5000, 'players', { publisher: 'publisher', all: 'a b' })
        .got('a', got)
        .got('b', items),
    );
  const moved = (kind: MediaItem['kind'], by: number) =>
    got.map((item) => (item.kind === kind ? { ...item, timestamp: item.timestamp + by } : item));

  test('the publisher’s timestamps pass', () => assert.equal(seen(got).verdict, 'pass'));
  test('timestamps that begin anew fail, of either kind', () => {
    const { verdict, says } = seen(moved('video', -4000));
    assert.equal(verdict, 'fail');
    assert.match(says, /video frame 100 \(key\) at 0 ms, 1100 bytes, sent with 4000 ms/);
    assert.equal(seen(moved('audio', -4000)).verdict, 'fail');
    assert.equal(seen(moved('video', 1)).verdict, 'fail');
  });
  test('audio of the same bytes has any of their timestamps', () => {
    const silence = audio({ count: 3 }).map((item) => ({ ...item, sum: 7 }));
    const verdictOf = (item: MediaItem) =>
      judge(
        'absolute-timestamps',
        broken()
          .sent('publisher', [...sent, ...silence])
          .step(5000, 'players', { publisher: 'publisher', all: 'a' })
          .got('a', [...got, item]),
      ).verdict;
    assert.equal(verdictOf(silence[2]!), 'pass');
    assert.equal(verdictOf({ ...silence[2]!, timestamp: 41 }), 'fail');
  });
  test('frames that nobody sent fail', () =>
    assert.equal(seen(video({ stream: 2, count: 20 })).verdict, 'fail'));
  test('too few frames are inconclusive, unless one of them is wrong', () => {
    assert.equal(seen(got.slice(0, 5)).verdict, 'inconclusive');
    assert.equal(seen(moved('video', -4000).slice(0, 5)).verdict, 'fail');
  });
  test('a player of whose audio nothing came tells nothing', () =>
    assert.equal(seen(video({ from: 100, count: 20 })).verdict, 'inconclusive'));
  const after = (timeline: Timeline, all = 'a') =>
    judge(
      'absolute-timestamps',
      timeline.sent('publisher', sent).step(5000, 'players', { publisher: 'publisher', all }).got('a', got),
    );
  test('a link that no tap saw break, or come again, is none that broke', () => {
    assert.equal(after(broken()).verdict, 'pass');
    assert.equal(after(new Timeline()).verdict, 'inconclusive');
    assert.match(after(broken({ closed: false })).says, /saw no connection end/);
    assert.match(after(broken({ opened: false })).says, /saw no other connection/);
  });
  test('a break after which nobody played tells nothing', () =>
    assert.equal(after(broken(), '').verdict, 'inconclusive'));
});

describe('headers-first', () => {
  const [metadata, sound, picture] = headers as [MediaItem, MediaItem, MediaItem];
  const frame = video({ from: 7, count: 1 })[0]!;
  const begins = (...items: MediaItem[]) => beginsAfter(broken(), ...items);
  const beginsAfter = (timeline: Timeline, ...items: MediaItem[]) =>
    judge(
      'headers-first',
      timeline
        .sent('publisher', [...headers, ...video({ count: 9 })])
        .step(5000, 'players', { publisher: 'publisher', all: 'a' })
        .got('a', items),
    ).verdict;
  test('metadata, both headers and any frame pass', () => {
    assert.equal(begins(metadata, sound, picture, frame), 'pass');
    assert.equal(begins({ ...metadata, sum: 0 }, picture, sound, frame), 'pass');
  });
  test('each of them missing, late, or another fails', () => {
    assert.equal(begins(sound, picture, frame), 'fail');
    assert.equal(begins(metadata, picture, frame), 'fail');
    assert.equal(begins(metadata, sound, frame), 'fail');
    assert.equal(begins(metadata, sound, frame, picture), 'fail');
    assert.equal(begins(metadata, { ...sound, sum: 0 }, picture, frame), 'fail');
  });
  test('a link that no tap saw break, or come again, is none that broke', () => {
    for (const timeline of [new Timeline(), broken({ closed: false }), broken({ opened: false })])
      assert.equal(beginsAfter(timeline, metadata, sound, picture, frame), 'inconclusive');
  });
  test('no frame is inconclusive', () => assert.equal(begins(metadata, sound, picture), 'inconclusive'));
});
