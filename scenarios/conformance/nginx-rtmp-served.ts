/** What nginx-rtmp tells of itself, and what it keeps. */

import { PLAYING_WITHIN_MS } from '../bounds.ts';
import { check, type Judgement } from '../check.ts';
import type { History, MediaItem } from '../history.ts';
import { compareFrames, failed, inconclusive, judged, notSeen, videoOf, words } from '../judging.ts';
import { FRAME_MS } from '../stage.ts';
import { poll, readingAt, type StatReading, untilStat } from './nginx-rtmp-watch.ts';

const TOPOLOGIES = ['nginx-rtmp'] as const;
const SEED = 'HLS live and VOD on Kubernetes (seeds/004)';

// stat-counts

const PLAYERS = 3;
/** The ladder's ffmpeg plays every stream that is published. */
const LADDER_PLAYERS = 1;
const COUNTED_FRAMES = 25;
/** ffmpeg is started, or a client that has left is noticed. */
const CLIENTS_WITHIN_MS = 4000;
const SETTLED_WITHIN_MS = 2000;
/** The page counts bodies of messages, as the players do: what is under way is awaited, so hardly anything is left. */
const BYTES_BOUND = 0.01;

const statCounts = check({
  id: 'nginx-rtmp/stat-counts',
  title: 'The statistics page tells what the players count',
  level: 'must',
  spec: {
    source: `${SEED}; nginx-rtmp-module 1.2.2`,
    where: 'nginx-rtmp.conf, location /stat; ngx_rtmp_live_module.c, ngx_rtmp_live_av',
    says: 'Clients are counted per stream as they come and leave. Bytes in are the bodies of the publisher’s audio and video messages, bytes out the same for every player to whom they went; 1 % may be between the two counts.',
  },
  topologies: TOPOLOGIES,
  needs: ['publish.rtmp', 'play.rtmp', 'observe.stat'],
  mutants: ['nginx-rtmp-stat-stale'],

  async run(t) {
    const stream = t.stream();
    const publisher = await t.publish({ url: t.publishUrl(stream) });
    const players = Array.from({ length: PLAYERS }, () => t.play(t.playUrl('rtmp', stream)));
    const labels = players.map(({ label }) => label);
    t.step('players', { players: labels.join(' '), publisher: publisher.label });
    await Promise.all(players.map((player) => player.playing(PLAYING_WITHIN_MS)));
    await untilStat(
      t,
      stream,
      'all there',
      CLIENTS_WITHIN_MS,
      ({ players: count }) => count === PLAYERS + LADDER_PLAYERS,
    );
    /** Nothing is sent for a moment, so that both sides can count to the end. */
    const settle = async (moment: string) => {
      publisher.pause();
      const last = videoOf(t.history.sent(publisher.label)).length;
      await t.until('the last frame at every player', SETTLED_WITHIN_MS, (history) =>
        labels.every((label) => videoOf(history.got(label)).at(-1)?.stamp?.frame === last - 1),
      );
      const sent = bytesOf(t.history.sent(publisher.label));
      await untilStat(t, stream, moment, SETTLED_WITHIN_MS, ({ bytesIn }) => bytesIn >= sent);
      publisher.resume();
    };
    await settle('before');
    await publisher.sent(COUNTED_FRAMES, COUNTED_FRAMES * FRAME_MS + SETTLED_WITHIN_MS);
    await settle('after');
    await Promise.all(players.map((player) => player.stop()));
    await untilStat(t, stream, 'left', CLIENTS_WITHIN_MS, ({ players: count }) => count === LADDER_PLAYERS);
  },

  judge(history) {
    const setting = history.step('players');
    if (setting === undefined) return [notSeen(history, 'players')];
    const [there, before, after, left] = ['all there', 'before', 'after', 'left'].map((moment) =>
      readingAt(history, moment),
    );
    if (there === undefined) return [notSeen(history, 'players who are served')];
    const hasLeft = 'when the players have left';
    return [
      judgeClients('while all play', PLAYERS + LADDER_PLAYERS, there),
      ...(before && after
        ? judgeBytes(history, String(setting.publisher), words(setting.players), before, after)
        : [notSeen(history, 'bytes that are counted')]),
      left ? judgeClients(hasLeft, LADDER_PLAYERS, left) : notSeen(history, hasLeft),
    ];
  },
});

function judgeClients(when: string, players: number, reading: StatReading): Judgement {
  return judged(
    reading.publishers === 1 && reading.players === players,
    `${when}: 1 publisher and ${players} players, the ladder's ffmpeg among them`,
    `${reading.publishers} and ${reading.players}`,
  );
}

/** Between two moments at which nothing was under way. */
function judgeBytes(
  history: History,
  publisher: string,
  players: readonly string[],
  before: StatReading,
  after: StatReading,
): Judgement[] {
  const [from, to] = ['before', 'after'].map(
    (moment) => history.of('step').findLast(({ step, data }) => step === 'stat' && data.moment === moment)!.t,
  );
  const between = <E extends { readonly t: number }>(events: readonly E[]) =>
    events.filter(({ t }) => t > from! && t <= to!);
  const sent = bytesOf(between(history.sent(publisher)));
  const got = players.map((player) => bytesOf(between(history.got(player))));
  if (sent === 0) return [inconclusive('bytes that are counted', 'nothing was sent between the readings')];
  const total = bytesOf(history.sent(publisher).filter(({ t }) => t <= to!));
  // The ladder's ffmpeg was there all the time, and was sent what the publisher sent.
  const out = got.reduce((sum, bytes) => sum + bytes, 0) + LADDER_PLAYERS * sent;
  return [
    judgeCount('bytes in, since the publisher came', total, after.bytesIn),
    judgeCount('bytes out, between the readings', out, after.bytesOut - before.bytesOut),
  ];
}

function judgeCount(what: string, counted: number, told: number): Judgement {
  const off = Math.abs(told - counted) / counted;
  return judged(
    off <= BYTES_BOUND,
    `${what}: ${counted}, as publisher and players count, within ${BYTES_BOUND * 100} %`,
    `${told} (${(off * 100).toFixed(2)} % off)`,
  );
}

/** Bodies of audio and video messages. */
function bytesOf(items: readonly MediaItem[]): number {
  return items
    .filter(({ kind }) => kind !== 'metadata' && kind !== 'script')
    .reduce((sum, { size }) => sum + size, 0);
}

// vod-whole

/** Above the 96 KiB at which a defect of the lab's own ends a recording. */
const RECORDED_FRAMES = 60;
const CLOSED_WITHIN_MS = 3000;
const DOWNLOADED_WITHIN_MS = 5000;

const vodWhole = check({
  id: 'nginx-rtmp/vod-whole',
  title: 'A recording plays from its first frame to its last',
  level: 'must',
  spec: {
    source: `${SEED}; nginx-rtmp-module 1.2.2`,
    where: 'the HLS module for video on demand; ngx_rtmp_record_module.c, record all',
    says: 'What is published is in a file that another Nginx serves: every audio and video message of it, once, in order and unharmed.',
  },
  topologies: TOPOLOGIES,
  needs: ['publish.rtmp', 'play.vod', 'observe.stat'],
  mutants: ['nginx-rtmp-vod-truncated'],

  async run(t) {
    const stream = t.stream();
    const publisher = await t.publish({ url: t.publishUrl(stream) });
    await publisher.sent(RECORDED_FRAMES, RECORDED_FRAMES * FRAME_MS + SETTLED_WITHIN_MS);
    await publisher.stop();
    // The file is closed with its publisher.
    await untilStat(t, stream, 'ended', CLOSED_WITHIN_MS, ({ publishers }) => publishers === 0);
    const url = t.cluster.entry('play', 'vod').url('vod', stream);
    await poll(t, 'the recording', CLOSED_WITHIN_MS, async () =>
      (await t.http(url, { label: 'file', method: 'HEAD' })).status === 200 ? true : undefined,
    );
    const player = t.play(url, 'vod');
    t.step('vod', { player: player.label, publisher: publisher.label });
    await player.closed(DOWNLOADED_WITHIN_MS);
  },

  judge(history) {
    const setting = history.step('vod');
    if (setting === undefined) {
      const asked = history.of('http.exchange').findLast(({ client }) => client === 'file');
      if (asked === undefined) return [notSeen(history, 'a recording')];
      return [failed('a recording', `HTTP ${asked.status} for ${asked.url}`)];
    }
    return judgeRecording(
      history.sent(String(setting.publisher)),
      history.got(String(setting.player)),
      history.of('client.closed').find(({ client }) => client === setting.player)?.reason,
    );
  },
});

function judgeRecording(
  sent: readonly MediaItem[],
  got: readonly MediaItem[],
  end: string | undefined,
): Judgement[] {
  const count = (items: readonly MediaItem[], kind: MediaItem['kind']) =>
    items.filter((item) => item.kind === kind).length;
  const [video, audio] = [count(sent, 'video'), count(sent, 'audio')];
  const numbers = judged(
    count(got, 'video') === video && count(got, 'audio') === audio,
    `${video} video and ${audio} audio frames, as they were published`,
    `${count(got, 'video')} and ${count(got, 'audio')}`,
  );
  const { compared, differences } = compareFrames(sent, got);
  const [first] = differences;
  const same = first
    ? failed(`item ${first.at}: ${first.expected}`, first.actual)
    : judged(compared.video > 0, 'the frames that were published', `${compared.video} of them compared`);
  const ended = judged(end === 'remote', 'the file comes to its end', `the download ended: ${end ?? 'not'}`);
  return [numbers, same, ended];
}

export const SERVED_CHECKS = [statCounts, vodWhole];
