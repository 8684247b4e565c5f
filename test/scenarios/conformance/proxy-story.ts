/** What hand-made histories of proxy/ and stream-manager/ checks share. */
import type { ExchangeSeen } from '../../../scenarios/history.ts';
import type { Timeline } from './timeline.ts';

/** An HTTP request of the check itself and its answer. */
export function asked(
  timeline: Timeline,
  t: number,
  client: string,
  answer: Partial<Pick<ExchangeSeen, 'status' | 'headers' | 'bytes' | 'error'>>,
): Timeline {
  const request = { kind: 'other', method: 'GET', url: 'http://proxy/', sentAt: t } as const;
  const times = { headAt: t, firstByteAt: t };
  timeline.history.append({
    t,
    type: 'http.exchange',
    client,
    ...request,
    ...times,
    status: 200,
    headers: {},
    bytes: 0,
    error: null,
    ...answer,
  });
  return timeline;
}
