/** The findings of a run of publishers. As with a load, an unhealthy generator blames nothing on the server. */
import { formatMs, formatNumber, plural } from './format.ts';
import { srtSent, webRtcSent } from './judge-udp.ts';
import type { Evidence, Finding, Publish, Verdict } from './results.ts';

/**
 * Pure. The worst verdict of the findings is the verdict of the run. A stream whose server stops to read is neither
 * refused nor lost, and sends nothing: what is due and not taken for longer than 5 s, at any time, is a fail as well. SRS
 * gives up a publisher of whom it hears nothing for as long (facts/srs.md 10.2, `publish.normal_timeout`).
 */
export function judgePublish(publish: Publish, run: { readonly interrupted: boolean }): Finding[] {
  const { clients, reasons, generator, lag, untaken, srt, webrtc } = publish;
  const evidence = Object.entries(reasons).map(([label, count]) => ({
    label,
    detail: plural(count, 'stream'),
  }));
  const judge = (
    check: string,
    title: string,
    verdict: Verdict,
    expected: string,
    actual: string,
    always: readonly Evidence[] = [],
  ): Finding => ({
    check: `publish/${check}`,
    title,
    topology: 'external',
    engine: 'unknown',
    verdict: verdict === 'fail' && !generator.healthy ? 'inconclusive' : verdict,
    expected,
    actual,
    evidence: [...always, ...(verdict === 'fail' && always.length === 0 ? evidence : [])],
    durationMs: publish.seconds * 1000,
  });
  return [
    judge(
      'accepted',
      'Every stream is accepted',
      clients.joined === clients.requested
        ? 'pass'
        : run.interrupted && clients.failed === 0
          ? 'inconclusive'
          : 'fail',
      `${plural(clients.requested, 'stream')} published`,
      `${formatNumber(clients.joined)} published, ${formatNumber(clients.failed)} refused or failed`,
    ),
    judge(
      'kept',
      'No stream is lost before the end',
      clients.joined === 0 ? 'inconclusive' : clients.dropped > 0 ? 'fail' : 'pass',
      'no stream dropped',
      clients.joined === 0
        ? 'none was published'
        : clients.dropped > 0
          ? `${formatNumber(clients.dropped)} dropped`
          : 'none dropped',
    ),
    ...(untaken === undefined || clients.joined === 0
      ? []
      : [
          judge(
            'taken',
            'The server takes what is sent',
            takenVerdict(untaken, lag.max),
            `nothing that is due waits for the server for longer than ${formatMs(untaken.boundMs)}`,
            untaken.worstMs > untaken.boundMs
              ? `${plural(untaken.streams, 'stream')} waited for longer, one for ${formatMs(untaken.worstMs)}; at the end ${formatMs(untaken.lastMs)}`
              : `waited for ${formatMs(untaken.worstMs)} at the most, late by ${formatMs(Math.max(untaken.lateMs, lag.max ?? 0))} in all`,
          ),
        ]),
    ...[srt && srtSent(srt), webrtc && webRtcSent(webrtc)].flatMap((said) =>
      said === undefined
        ? []
        : [
            judge(
              'packets',
              'Every packet is sent, and again when it is asked for',
              said.verdict,
              said.expected,
              said.actual,
              said.evidence,
            ),
          ],
    ),
    judge(
      'generator',
      'The generator had time to spare',
      generator.healthy ? 'pass' : 'inconclusive',
      'event-loop lag and processor share within their bounds',
      generator.healthy
        ? `event-loop lag p99 ${formatMs(generator.loopLagP99Ms)}, frames late by ${formatMs(lag.p99)} at p99`
        : generator.reasons.join('; '),
    ),
    ...(run.interrupted
      ? [
          judge(
            'complete',
            'The run lasts as long as asked',
            'inconclusive',
            'a run to its end',
            `interrupted after ${formatNumber(publish.seconds)} s`,
          ),
        ]
      : []),
  ];
}

/** What was late for so long through the own event loop alone says nothing of the server. */
function takenVerdict(
  { boundMs, worstMs, lateMs }: NonNullable<Publish['untaken']>,
  latestSentMs: number | null,
): Verdict {
  if (worstMs > boundMs) return 'fail';
  return Math.max(lateMs, latestSentMs ?? 0) > boundMs ? 'inconclusive' : 'pass';
}
