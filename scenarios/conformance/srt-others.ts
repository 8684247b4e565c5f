/** SRT: what a caller may not do to others, and what becomes of one that vanishes. */
import { seededRandom } from '../../lab/taps/udp-faults.ts';
import {
  ControlType,
  encodeControl,
  HEADER_SIZE,
  writeDataHeader,
  writeUint32,
} from '../../protocols/srt/packet.ts';
import { SRT_CLOSED_WITHIN_MS, SRT_FORGOTTEN_WITHIN_MS } from '../bounds.ts';
import { type Check, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { failed, inconclusive, judged, notSeen } from '../judging.ts';
import { FRAME_MS } from '../stage.ts';
import { attempt, judgeAttempts } from '../wire/attempt.ts';
import { WireSrt } from '../wire/srt.ts';
import { judgeWitnesses, Witnesses } from '../wire/witnesses.ts';
import { judgeFrames } from './srt-delivery.ts';
import { judgeClosed } from './srt-handshake.ts';
import {
  closedByPeer,
  DRAFT,
  EDGE_CLUSTER,
  entryOf,
  judgeMissing,
  line,
  SRS,
  SRT_PLAYING_WITHIN_MS,
} from './srt-lines.ts';

// peer-idle

const STAYING_FRAMES = 5;

const peerIdle = check({
  id: 'srt/peer-idle',
  title: 'A caller that vanishes without a word is forgotten',
  level: 'must',
  spec: {
    source: SRS,
    where:
      'conf/full.conf peer_idle_timeout (10000); protocol/srs_protocol_srt.cpp, SrsSrtSocket (publishers: 5 s)',
    says: 'A caller of whom nothing has come for peer_idle_timeout is gone, and no client of its stream any more; a publisher is after five seconds.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.srt', 'play.srt', 'observe.api'],
  mutants: ['srt-idle-kept'],
  deadlineMs: SRT_FORGOTTEN_WITHIN_MS + 12_000,

  async run(t) {
    const node = t.cluster.entry('play', 'srt').node;
    const [played, published] = [t.stream('played'), t.stream('published')];
    const [playing, publishing] = [await line(t, 'player'), await line(t, 'publisher')];
    await t.publish({ url: t.publishUrl(played, undefined, 'srt'), label: 'steady' });
    await t.publish({
      url: publishing.through(t.publishUrl(published, undefined, 'srt')),
      label: 'vanishing',
    });
    const staying = t.play(t.playUrl('srt', played), 'staying');
    const leaving = t.play(playing.through(t.playUrl('srt', played)), 'leaving');
    await Promise.all([staying, leaving].map((player) => player.playing(SRT_PLAYING_WITHIN_MS)));
    await t.untilApi(node, played, 1000, ({ clients }) => clients === 3);
    await t.untilApi(node, published, 1000, ({ publishers }) => publishers === 1);
    playing.tap.cut();
    publishing.tap.cut();
    t.step('vanished', { node, played, published });
    await Promise.all([
      t.untilApi(node, played, SRT_FORGOTTEN_WITHIN_MS, ({ clients }) => clients <= 2),
      t.untilApi(node, published, SRT_FORGOTTEN_WITHIN_MS, ({ clients }) => clients === 0),
    ]);
    await staying.frames(STAYING_FRAMES, SRT_PLAYING_WITHIN_MS);
  },

  judge(history) {
    const vanished = history.of('step').find(({ step }) => step === 'vanished');
    if (vanished === undefined) {
      return judgeMissing(history, ['steady', 'vanishing'], 'a player and a publisher who vanish');
    }
    const { played, published } = vanished.data;
    const lookedAt = Math.max(vanished.t, ...history.of('api.stream').map(({ t }) => t));
    const left = (stream: unknown, clients: number, who: string): Judgement => {
      const expected = `${who} is no client any more within ${SRT_FORGOTTEN_WITHIN_MS} ms`;
      const last = history
        .of('api.stream')
        .findLast((event) => event.stream === stream && event.t > vanished.t);
      if (last === undefined) return notSeen(history, expected);
      const listed = history
        .of('api.stream')
        .some((event) => event.stream === stream && event.t <= vanished.t && event.clients > clients);
      if (!listed) return inconclusive(expected, 'the API did not list it before');
      const after = Math.round(last.t - vanished.t);
      return judged(last.clients === clients, expected, `${last.clients} clients after ${after} ms`);
    };
    return [
      left(played, 2, 'the player'),
      left(published, 0, 'the publisher'),
      judgeFrames(history, 'steady', 'staying', STAYING_FRAMES, lookedAt),
    ];
  },
});

// two-publishers

const BESIDE_FRAMES = 50;

const twoPublishers = check({
  id: 'srt/two-publishers',
  title: 'A second publisher of a stream is closed, and the first one takes no harm',
  level: 'must',
  spec: {
    source: SRS,
    where: 'app/srs_app_srt_conn.cpp, SrsMpegtsSrtConn::acquire_publish (error 6007)',
    says: 'A stream has one publisher. Who comes second is let in, and closed; the players of the first see nothing of it.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.srt', 'play.srt', 'play.rtmp'],
  mutants: ['srt-two-publishers', 'srt-publisher-kicked', 'srt-refuses-without-close'],

  async run(t) {
    const stream = t.stream();
    const url = t.publishUrl(stream, undefined, 'srt');
    await t.publish({ url, label: 'first' });
    const players = [
      t.play(t.playUrl('srt', stream), 'srt'),
      t.play(t.playUrl('rtmp', stream, t.cluster.entry('play', 'srt').node), 'rtmp'),
    ];
    await Promise.all(players.map((player) => player.playing(SRT_PLAYING_WITHIN_MS)));
    const second = await t.publish({ url, label: 'second' });
    t.step('two', { second: second.label });
    await Promise.all(
      players.map((player) => player.frames(BESIDE_FRAMES, BESIDE_FRAMES * FRAME_MS + SRT_PLAYING_WITHIN_MS)),
    );
  },

  judge(history) {
    const two = history.of('step').find(({ step }) => step === 'two');
    if (two === undefined) {
      return judgeMissing(history, ['first', 'second'], 'a publisher with players, and a second one');
    }
    const first = closedByPeer(history, 'first');
    return [
      judgeClosed(history, 'second', two.t, `the second publisher: closed within ${SRT_CLOSED_WITHIN_MS} ms`),
      judged(first === undefined, 'the first publisher stays', first === undefined ? 'it did' : first.code),
      ...['srt', 'rtmp'].map((player) => judgeFrames(history, 'first', player, BESIDE_FRAMES, two.t)),
    ];
  },
});

// malformed

const SEED = 4;
/** Of each kind. */
const ATTACKS = 300;
const WITNESSED_FRAMES = 25;

const malformed = check({
  id: 'srt/malformed',
  title: 'Datagrams that are no SRT, or broken SRT, harm nobody but their sender',
  level: 'must',
  spec: {
    source: DRAFT,
    where: 'sections 3 and 4.3; section 9 (security considerations)',
    says: 'What cannot be read is thrown away. The node goes on, and so do its other callers and all other players.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.srt', 'play.srt', 'publish.rtmp', 'play.rtmp', 'play.flv', 'observe.api'],
  mutants: ['srt-malformed-kills-node'],
  disrupts: 'sends what breaks servers',
  alone: true,

  async run(t) {
    const node = t.cluster.nodes.get(t.cluster.entry('play', 'srt').node)!;
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream, undefined, 'srt'), label: 'publisher' });
    const player = t.play(t.playUrl('srt', stream), 'srt');
    await player.playing(SRT_PLAYING_WITHIN_MS);
    const witnesses = await Witnesses.start(t, [node]);
    const random = seededRandom(SEED);
    for (const [name, send] of Object.entries(ATTACK_KINDS)) {
      await attempt(t, name, async () => {
        const attacker = await WireSrt.open(entryOf(t));
        t.cleanUp(() => attacker.close());
        await send(attacker, random, stream);
        t.step('attack', { name });
      });
    }
    await witnesses.goOn();
    await player.frames(WITNESSED_FRAMES, WITNESSED_FRAMES * FRAME_MS + SRT_PLAYING_WITHIN_MS);
  },

  judge(history) {
    const kinds = Object.keys(ATTACK_KINDS).length;
    const attacks = history.of('step').filter(({ step }) => step === 'attack');
    return [
      ...judgeAttempts(history),
      ...judgeWitnesses(history),
      attacks.length < kinds
        ? notSeen(history, `${kinds} kinds of attacks`)
        : judgeFrames(history, 'publisher', 'srt', WITNESSED_FRAMES, attacks.at(-1)!.t),
      ...judgeStaying(history),
    ];
  },
});

function judgeStaying(history: History): Judgement[] {
  return ['publisher', 'srt'].flatMap((client) => {
    const closed = closedByPeer(history, client);
    return closed === undefined ? [] : [failed(`${client} keeps its connection`, closed.code)];
  });
}

type Send = (attacker: WireSrt, random: () => number, stream: string) => Promise<void>;

const bytesOf = (random: () => number, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => Math.floor(random() * 256));

/** One to four bytes are others, or the end is missing. */
function mutated(packet: Uint8Array, random: () => number): Uint8Array {
  const copy = packet.slice(0, random() < 0.3 ? Math.floor(random() * packet.length) : packet.length);
  for (let count = 1 + Math.floor(random() * 4); count > 0 && copy.length > 0; count--) {
    copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256);
  }
  return copy;
}

/** In a handshake packet (section 3.2.1). */
const MTU_AT = HEADER_SIZE + 12;
const FLOW_WINDOW_AT = HEADER_SIZE + 16;

const wishOf = (stream: string, mode: 'request' | 'publish') => ({
  streamId: `#!::r=live/${stream}-attacked,m=${mode}`,
  receiveLatencyMs: 120,
  sendLatencyMs: 120,
});

async function join(attacker: WireSrt, stream: string, mode: 'request' | 'publish'): Promise<number> {
  const { cookie } = await attacker.ask(attacker.induction());
  const { socketId } = await attacker.ask(attacker.conclusion(cookie, wishOf(stream, mode)));
  return socketId;
}

const ATTACK_KINDS: Readonly<Record<string, Send>> = {
  async 'random datagrams'(attacker, random) {
    for (let i = 0; i < ATTACKS; i++) await attacker.send(bytesOf(random, Math.floor(random() * 1500)));
  },
  async 'mutated inductions'(attacker, random) {
    for (let i = 0; i < ATTACKS; i++) await attacker.send(mutated(attacker.induction(), random));
  },
  async 'mutated conclusions'(attacker, random, stream) {
    const { cookie } = await attacker.ask(attacker.induction());
    const conclusion = attacker.conclusion(cookie, wishOf(stream, 'request'));
    for (let i = 0; i < ATTACKS; i++) await attacker.send(mutated(conclusion, random));
  },
  async 'control packets of a player'(attacker, random, stream) {
    const peer = await join(attacker, stream, 'request');
    const types = Object.values(ControlType).filter((type) => type !== ControlType.shutdown);
    for (let i = 0; i < ATTACKS; i++) {
      const type = i % 10 === 9 ? Math.floor(random() * 0x7fff) : types[i % types.length]!;
      const content = bytesOf(random, Math.floor(random() * 64));
      const information = Math.floor(random() * 2 ** 32);
      await attacker.send(
        encodeControl(type as ControlType, Math.floor(random() * 65536), information, 0, peer, content),
      );
    }
    await attacker.close(peer);
  },
  async 'payload of a publisher'(attacker, random, stream) {
    const peer = await join(attacker, stream, 'publish');
    for (let i = 0; i < ATTACKS; i++) {
      const packet = bytesOf(random, 16 + Math.floor(random() * 1400));
      const sequence = Math.floor(random() * 2 ** 31);
      writeDataHeader(packet, sequence, i, 0, Math.floor(random() * 2 ** 32), peer);
      await attacker.send(packet);
    }
    await attacker.close(peer);
  },
  /** Sizes that no packet fits into, and windows of nothing. */
  async 'conclusions with impossible sizes'(attacker, _random, stream) {
    for (const at of [MTU_AT, FLOW_WINDOW_AT]) {
      for (const size of [0, 1, 64]) {
        const { cookie } = await attacker.ask(attacker.induction());
        const conclusion = attacker.conclusion(cookie, wishOf(stream, 'request'));
        writeUint32(conclusion, at, size);
        await attacker.send(conclusion);
      }
    }
  },
};

/** Bad input comes last: it may be that nothing can be asked after it. */
export const SRT_OTHERS: readonly Check[] = [twoPublishers, peerIdle, malformed];
