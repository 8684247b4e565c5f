/** SRT without encryption: a server that wants no passphrase. */
import { type Check, check } from '../check.ts';
import { failed, notSeen } from '../judging.ts';
import { FRAME_MS } from '../stage.ts';
import { stepsOf } from '../wire/attempt.ts';
import { judgeFrames, judgePackets } from './srt-delivery.ts';
import { judgeStranger } from './srt-handshake.ts';
import { DRAFT, LOCAL_ORIGIN, SRT_PLAYING_WITHIN_MS, withoutPassphrase } from './srt-lines.ts';

/** More than the longest period of the lab's own defects: 500 transport packets are one and a half seconds. */
const FRAMES = 50;

const withoutEncryption = check({
  id: 'srt/without-encryption',
  title: 'Without a passphrase SRT is sent in the clear, byte for byte, and who brings one is rejected',
  level: 'must',
  spec: {
    source: DRAFT,
    where: 'sections 3.1 (KK 00) and 4.3.1.2; libsrt SRTO_ENFORCEDENCRYPTION, rejection reason UNSECURE',
    says: 'Without key material in the handshake payloads are not encrypted. Where encryption is enforced, as it is by default, either both ends have a passphrase or neither.',
  },
  topologies: LOCAL_ORIGIN,
  needs: ['publish.srt', 'play.srt'],
  mutants: ['srt-drops-ts-packets', 'srt-refuses-open-callers', 'srt-accepts-wrong-passphrase'],

  async run(t) {
    const stream = t.stream();
    const withPassphrase = t.playUrl('srt', stream);
    const publisher = await t.publish({
      url: withoutPassphrase(t.publishUrl(stream, undefined, 'srt')),
    });
    const open = t.play(withoutPassphrase(withPassphrase), 'open');
    t.step('watched', { publisher: publisher.label, player: open.label });
    const stranger = t.play(withPassphrase, 'a');
    t.step('stranger', { player: stranger.label });
    await open.frames(FRAMES, FRAMES * FRAME_MS + SRT_PLAYING_WITHIN_MS);
    await stranger.closed(SRT_PLAYING_WITHIN_MS);
  },

  judge(history) {
    const watched = history.step('watched');
    if (watched === undefined) {
      const refused = history.of('client.closed').find(({ reason }) => reason === 'rejected');
      if (refused === undefined) return [notSeen(history, 'a player of an SRT publisher')];
      return [failed('a publisher without a passphrase is let in', refused.code)];
    }
    const [publisher, player] = [`${watched.publisher}`, `${watched.player}`];
    const strangers = stepsOf(history, 'stranger');
    return [
      judgePackets(history, publisher, player, FRAMES),
      judgeFrames(history, publisher, player, FRAMES),
      ...strangers.map((stranger) => judgeStranger(history, `${stranger.player}`)),
      ...(strangers.length === 0 ? [notSeen(history, 'a caller with a passphrase')] : []),
    ];
  },
});

export const SRT_OPEN: readonly Check[] = [withoutEncryption];
