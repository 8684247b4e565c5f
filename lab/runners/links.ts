/** The taps on the links of a cluster. */
import { LabError, LabErrorCode } from '../errors.ts';
import type { TapAddress } from '../ports.ts';
import { SRS_SRT_HOST } from '../render/srs.ts';
import { TcpTap } from '../taps/tcp-tap.ts';
import { UdpTap } from '../taps/udp-tap.ts';
import { addressOf, type ClusterPlan } from './launch.ts';

export interface Taps {
  readonly taps: readonly TcpTap[];
  readonly udpTaps: readonly UdpTap[];
}

/** None of them listens yet. */
export function createTaps(plan: ClusterPlan): Taps {
  const taps: TcpTap[] = [];
  const udpTaps: UdpTap[] = [];
  for (const address of plan.addresses.taps) {
    const { from, to, carries } = address;
    const link = { from, to, listen: { host: address.host, port: address.port }, ...endsOf(address, plan) };
    if (carries !== 'srt' && carries !== 'rtc') taps.push(new TcpTap({ ...link, carries }));
    else if (plan.engine !== 'srs') udpTaps.push(new UdpTap({ ...link, carries }));
    // An SRS has its UDP ports on every address, the alias too, and answers from 127.0.0.1. It shares that of WebRTC
    // (SO_REUSEADDR) with a tap, and not that of SRT: there the proxy speaks to it without one.
    else if (carries === 'rtc') {
      const target = { host: SRS_SRT_HOST, port: link.target.port };
      udpTaps.push(new UdpTap({ ...link, carries, target, shared: true }));
    }
  }
  return { taps, udpTaps };
}

function endsOf({ from, to, carries }: TapAddress, plan: ClusterPlan) {
  const { host, ports } = addressOf(plan, to);
  const port = ports[carries];
  if (port === undefined) throw new LabError(LabErrorCode.Unknown, `${to} has no port for ${carries}`);
  return { target: { host, port }, localAddress: addressOf(plan, from).host };
}
