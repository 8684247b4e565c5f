/** What was seen of one stream in the browser, by a driver of ours beside it, and at the publisher. Plain data, kept as JSON. */

/** What a page can play; `webrtc` is WHEP. */
export const BROWSER_PROTOCOLS = ['flv', 'hls', 'webrtc'] as const;
export type BrowserProtocol = (typeof BROWSER_PROTOCOLS)[number];

/** One picture that was shown (requestVideoFrameCallback). Times are epoch ms with fraction. */
export interface Picture {
  /** Of the clock in the picture; null when it could not be read. */
  readonly number: number | null;
  /** When it was to be seen on the screen (`expectedDisplayTime`). */
  readonly shownAt: number;
  /** How many pictures had been shown, this one included, those that the page did not get to look at, too. */
  readonly presented: number;
  /**
   * How many frames had come by then, shown or not or not yet: decoded ones (`totalVideoFrames`), of WebRTC received ones
   * (`framesReceived`).
   */
  readonly arrived: number;
}

/** Something that a player or the page complained of: a stable slug, and words. */
export interface Complaint {
  readonly code: string;
  readonly detail: string;
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface PageRecord {
  /** Of the page: another than that of what it plays. */
  readonly origin: string;
  /** The player was asked to play. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly pictures: readonly Picture[];
  /** Pixels of the last picture. */
  readonly size: { readonly width: number; readonly height: number } | null;
  /** When the element said that it waits for data, after the first picture. */
  readonly waits: readonly number[];
  /** When the page itself was not given the time to draw. */
  readonly heldUp: readonly Span[];
  /** It was in the background at some time. */
  readonly hidden: boolean;
  readonly complaints: readonly Complaint[];
  /** WHEP: what RTCPeerConnection counts. */
  readonly rtc: RtcRecord | null;
}

/** Of `inbound-rtp` of the video (webrtc-stats 8.1). */
export interface RtcRecord {
  readonly codec: string;
  readonly decoder: string;
  readonly packetsLost: number;
  readonly framesReceived: number;
  readonly framesDecoded: number;
  readonly framesDropped: number;
  readonly freezes: number;
  /** Mean time in the jitter buffer. */
  readonly jitterBufferMs: number | null;
}

export interface Arrival {
  readonly frame: number;
  readonly sentAt: number;
  readonly at: number;
}

/** A player of ours on the same URL at the same time. */
export interface DriverRecord {
  readonly startedAt: number;
  readonly arrivals: readonly Arrival[];
  /** Why it ended by itself; null when it did not. */
  readonly closed: string | null;
}

export interface BrowserRecord {
  readonly protocol: BrowserProtocol;
  readonly url: string;
  /** Frames of one round of what is published: the clock begins again after so many. */
  readonly loop: number;
  /** When each frame was published, by its number. */
  readonly sent: readonly number[];
  readonly page: PageRecord;
  readonly driver: DriverRecord;
  /** By how much the page's clock is ahead of the publisher's, at the least and at the most. */
  readonly clockAhead: Span;
  /** What the browser wrote to the console. */
  readonly console: readonly string[];
  /** HLS: EXT-X-TARGETDURATION as the driver saw it; 0 for others. */
  readonly targetMs: number;
  /** Longest time for which publisher and driver were kept from their events. */
  readonly loopLagMs: number;
}

/** What a page is asked to do. */
export interface PlayRequest {
  readonly protocol: BrowserProtocol;
  /** http(s); of WHEP the endpoint. */
  readonly url: string;
}

/** What the page's script puts into `window.liveproof`. */
export interface PageApi {
  /** Epoch ms, for the comparison of clocks. */
  now(): number;
  /** Once. */
  start(request: PlayRequest): void;
  /** Whether there is a picture in time. */
  shows(withinMs: number): Promise<boolean>;
  /** The record so far. */
  record(): Promise<PageRecord>;
  stop(): Promise<void>;
}
