/** What a load's SRT and WHEP players say of their packets. Loss that was made good in time is what both are made for. */
import { formatMs, formatNumber, plural } from './format.ts';
import type { Evidence, Publish, SrtLoad, Verdict, WebRtcLoad } from './results.ts';

interface Said {
  readonly verdict: Verdict;
  readonly expected: string;
  readonly actual: string;
  readonly evidence: readonly Evidence[];
}

/** Codes to people; those that are not here speak for themselves. */
const MEANING: Readonly<Record<string, string>> = {
  'mpegts.continuity': 'packets were missing or twice in a transport stream',
  'signalling.status': 'the answer to an offer came with another status than 201 (RFC 9725 4.2)',
  'signalling.location': 'the answer to an offer named nothing to DELETE (RFC 9725 4.2)',
  'signalling.content-type': 'the answer to an offer was not application/sdp (RFC 9725 4.2)',
  'signalling.delete': 'DELETE at the end was not answered, or refused',
};

export function srtJudged({
  packets,
  naks,
  playersWithDrops,
  worstDropped,
  latencyMs,
  rtt,
  problems,
}: SrtLoad): Said {
  const { received, lost, dropped, undecryptable, malformed } = packets;
  const bad = [
    ...some(dropped, 'dropped too late'),
    ...some(undecryptable, 'undecryptable'),
    ...some(malformed, 'malformed'),
    ...Object.entries(problems).flatMap(([code, count]) => some(count, code)),
  ];
  const drops =
    dropped === 0
      ? []
      : [
          {
            label: 'dropped',
            detail: `for ${plural(playersWithDrops, 'player')}, at most ${formatNumber(worstDropped)} for one; latency ${formatMs(latencyMs)}, round trip p99 ${formatMs(rtt.p99)}`,
          },
        ];
  return judged(
    received,
    bad,
    'no packet dropped, undecryptable or malformed, and a whole transport stream in them',
    lost === 0 ? 'none lost' : `${formatNumber(lost)} lost and made good, ${plural(naks, 'loss report')}`,
    [...drops, ...told(problems)],
  );
}

export function rtpJudged(load: WebRtcLoad): Said {
  const { rtp, srtp, framesVerified, playersWithLoss, worstLost, jitter, problems } = load;
  const bad = [
    ...some(rtp.lost, 'lost'),
    ...some(rtp.audioLost, 'of audio lost'),
    ...some(srtp.forged, 'undecryptable'),
    ...some(rtp.malformed + srtp.malformed, 'malformed'),
  ];
  const losses =
    rtp.lost === 0
      ? []
      : [
          {
            label: 'lost',
            detail: `for ${plural(playersWithLoss, 'player')}, at most ${formatNumber(worstLost)} for one; ${formatNumber(rtp.nacked)} asked for again, jitter p99 ${formatMs(jitter.p99)}`,
          },
        ];
  const expected = 'no packet lost, undecryptable or malformed, and frames whose checksum was compared';
  const evidence = [...losses, ...told(problems)];
  const good = rtp.recovered === 0 ? 'none lost' : `${formatNumber(rtp.recovered)} missing and made good`;
  // Unknown is never a pass: `lite` compares a sample, which a short run may miss.
  if (bad.length === 0 && rtp.videoPackets > 0 && framesVerified === 0) {
    const actual = `${plural(rtp.packets, 'packet')} received, ${good}, but no checksum of a frame was compared`;
    return { verdict: 'inconclusive', expected, actual, evidence };
  }
  return judged(rtp.packets, bad, expected, good, evidence);
}

/** What a publisher gave up never reached the server: it did not acknowledge it in time, or the network was too slow. */
export function srtSent({ total, publishers }: NonNullable<Publish['srt']>): Said {
  const { sent, retransmitted, naks, dropped, rttMs } = total;
  const expected = 'no packet given up as too old';
  const again = `${plural(sent, 'packet')} sent, ${formatNumber(retransmitted)} again after ${plural(naks, 'loss report')}; round trip ${formatMs(rttMs)}`;
  return sentJudged(
    sent,
    some(dropped, 'given up'),
    expected,
    again,
    worst(publishers, 'dropped', 'given up'),
  );
}

export function webRtcSent({ total, publishers }: NonNullable<Publish['webrtc']>): Said {
  const { sent, retransmitted, naks, forgotten, refused, keyframeRequests, rttMs } = total;
  const bad = [
    ...some(forgotten, 'asked for too late to be sent again'),
    ...some(refused, 'not taken by the transport'),
  ];
  const expected = 'no packet that could not be sent, or sent again';
  const again = `${plural(sent, 'packet')} sent, ${formatNumber(retransmitted)} of them again after ${plural(naks, 'loss report')}, ${plural(keyframeRequests, 'keyframe')} asked for; round trip ${formatMs(rttMs)}`;
  return sentJudged(sent, bad, expected, again, worst(publishers, 'forgotten', 'asked for too late'));
}

function sentJudged(
  sent: number,
  bad: readonly string[],
  expected: string,
  good: string,
  evidence: readonly Evidence[],
): Said {
  if (sent === 0) return { verdict: 'inconclusive', expected, actual: 'no packet was sent', evidence };
  const verdict = bad.length > 0 ? 'fail' : 'pass';
  return { verdict, expected, actual: [...bad, good].join(', '), evidence };
}

function worst<K extends string>(
  publishers: readonly Readonly<Record<K, number>>[],
  name: K,
  what: string,
): Evidence[] {
  const counts = publishers.map((publisher) => publisher[name]);
  const hit = counts.filter((count) => count > 0);
  if (hit.length === 0) return [];
  const most = Math.max(...hit);
  return [
    {
      label: what,
      detail: `by ${plural(hit.length, 'publisher')}, at most ${formatNumber(most)} by stream ${counts.indexOf(most) + 1}`,
    },
  ];
}

function some(count: number, what: string): string[] {
  return count > 0 ? [`${formatNumber(count)} ${what}`] : [];
}

function told(problems: Readonly<Record<string, number>>): Evidence[] {
  return Object.entries(problems)
    .filter(([, count]) => count > 0)
    .toSorted((a, b) => b[1] - a[1])
    .map(([code, count]) => ({
      label: code,
      detail: `${formatNumber(count)} times${MEANING[code] === undefined ? '' : `: ${MEANING[code]}`}`,
    }));
}

/** Without a packet nothing is known. */
function judged(
  received: number,
  bad: readonly string[],
  expected: string,
  good: string,
  evidence: readonly Evidence[],
): Said {
  if (bad.length > 0) {
    return {
      verdict: 'fail',
      expected,
      actual: `${bad.join(', ')}, of ${plural(received, 'packet')} received`,
      evidence,
    };
  }
  return received === 0
    ? { verdict: 'inconclusive', expected, actual: 'no packet was received', evidence }
    : {
        verdict: 'pass',
        expected,
        actual: `${plural(received, 'packet')} received, ${good}`,
        evidence,
      };
}
