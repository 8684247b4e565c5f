/** One player behind a link, with the meter that every player of a load has. */
import type { Player } from '../../drivers/client.ts';
import { createPlayer } from '../../drivers/create.ts';
import { FrameMeter, MeterHistograms } from '../../drivers/measure/meter.ts';
import { MediaRecorder, type RecordedItem } from '../../drivers/measure/recorder.ts';
import type { OpenTransport } from '../../drivers/webrtc/contract.ts';
import { openDatachannel } from '../../drivers/webrtc/datachannel/transport.ts';
import { openLite } from '../../drivers/webrtc/lite/transport.ts';
import { WhepPlayer } from '../../drivers/webrtc/player.ts';
import type { MediaSink } from '../../protocols/media.ts';
import type { Link } from './link.ts';
import type { TruthProtocol } from './rows.ts';

/** A second of delay makes a second of every step of a handshake. */
const TIMEOUT_MS = 20_000;

export interface SeatOptions {
  /** WHEP: ask for lost packets again. Default true. */
  readonly nack?: boolean;
  /** SRT: in ms. Default 120. */
  readonly latencyMs?: number;
  /** SRT: how long nothing may come from the origin, in ms. Default 5000. */
  readonly patienceMs?: number;
  /** Every item that comes. */
  readonly onItem?: (item: RecordedItem, at: number) => void;
}

export class Seat {
  readonly protocol: TruthProtocol;
  readonly histograms = new MeterHistograms();
  readonly meter = new FrameMeter(this.histograms);
  readonly player: Player;

  /** @param url at the origin itself; the player gets that of the link. */
  constructor(
    protocol: TruthProtocol,
    url: string,
    link: Link,
    { nack = true, latencyMs, patienceMs, onItem }: SeatOptions = {},
  ) {
    this.protocol = protocol;
    const sink = onItem === undefined ? this.meter : both(this.meter, new MediaRecorder(onItem));
    const options = {
      timeoutMs: TIMEOUT_MS,
      hls: { start: 'live-edge' as const },
      webrtc: { audio: false, nack },
    };
    if (protocol === 'whep-lite' || protocol === 'whep-datachannel') {
      const open = through(link, protocol === 'whep-lite' ? openLite : openDatachannel);
      this.player = new WhepPlayer(url, sink, options, undefined, open);
    } else {
      const { target, address } = link;
      const at = (host: string, port: number): string => `//${host}:${port}`;
      const there = url.replace(at(target.host, target.port), at(address.host, address.port));
      const wanted = protocol === 'srt' ? { latency: latencyMs, peeridletimeo: patienceMs } : {};
      const query = Object.entries(wanted).map(([name, ms]) => (ms === undefined ? '' : `&${name}=${ms}`));
      this.player = createPlayer(there + query.join(''), sink, options);
    }
    this.meter.attach(this.player.timing);
    this.player.open();
  }

  close(): void {
    this.player.close();
  }
}

/** Media goes where the answer says: here to the link. */
function through({ target, address }: Link, open: OpenTransport): OpenTransport {
  return (setup, observer) => {
    const transport = open(setup, observer);
    const setAnswer = transport.setAnswer.bind(transport);
    transport.setAnswer = (sdp) =>
      setAnswer(sdp.replaceAll(`${target.host} ${target.port} typ`, `${address.host} ${address.port} typ`));
    return transport;
  };
}

function both(first: MediaSink, second: MediaSink): MediaSink {
  return {
    layout(layout) {
      first.layout?.(layout);
      second.layout?.(layout);
    },
    segment(sequence) {
      first.segment?.(sequence);
      second.segment?.(sequence);
    },
    begin(type, timestamp, length, now) {
      first.begin(type, timestamp, length, now);
      second.begin(type, timestamp, length, now);
    },
    data(type, bytes, start, end) {
      first.data(type, bytes, start, end);
      second.data(type, bytes, start, end);
    },
    end(type, now) {
      first.end(type, now);
      second.end(type, now);
    },
  };
}
