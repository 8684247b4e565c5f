/** Every defect that a node of the lab can be started with. A mutant proves that a check can fail. */
import type { WebKind } from '../topology.ts';

/**
 * The nodes that have a mutant: `media` are builtin nodes of every media role, `origin` those of role origin, master
 * and slave; `nginx-rtmp` are media nodes of that engine; `proxy` and `stream-manager` are ours, whatever the engine. Of
 * `balancer` and `web` the configuration is spoiled.
 */
export type MutantRole =
  | 'origin'
  | 'edge'
  | 'media'
  | 'balancer'
  | 'master'
  | 'slave'
  | 'web'
  | 'nginx-rtmp'
  | 'proxy'
  | 'stream-manager';

export interface Mutant {
  /** The role whose nodes have it. */
  readonly role: MutantRole;
  /** Role `web` only: the kind of Nginx that has it; every kind when left out. */
  readonly web?: WebKind;
  /** The defect, in words. */
  readonly says: string;
}

export const MUTANTS = {
  // back-to-source
  'edge-pulls-per-player': { role: 'edge', says: 'Every player gets an upstream connection of its own' },
  'edge-pulls-per-protocol': {
    role: 'edge',
    says: 'RTMP and HTTP-FLV players of one stream do not share a pull',
  },
  'edge-pulls-twice-under-herd': {
    role: 'edge',
    says: 'Players that come while a pull is being set up start another',
  },
  'edge-merges-streams-of-app': {
    role: 'edge',
    says: 'A pull is looked up by app, so two streams of an app share one',
  },
  'edge-pulls-eagerly': {
    role: 'edge',
    says: 'Pulls whatever an origin lists as published, without a player',
  },
  'edge-never-releases': { role: 'edge', says: 'The pull goes on after the last player has left' },
  'edge-releases-late': { role: 'edge', says: 'The pull is released 8 s after the last player has left' },
  'edge-releases-at-first-leaver': {
    role: 'edge',
    says: 'The pull is released when any player leaves; the others wait until it is there again',
  },
  'edge-releases-under-player': {
    role: 'edge',
    says: 'A release in progress takes the pull from a player who just came',
  },
  'edge-rejoin-doubles': {
    role: 'edge',
    says: 'A rejoin during a release opens a second pull and keeps the first',
  },
  // frames
  'media-drops-frames': { role: 'media', says: 'Every 40th video frame is not passed on' },
  'media-doubles-frames': { role: 'media', says: 'Every 40th video frame is passed on twice' },
  'media-swaps-frames': { role: 'media', says: 'Every 40th video frame comes after the two that follow it' },
  'media-flips-byte': { role: 'media', says: 'One byte of every 40th video frame is another' },
  'media-drops-audio': { role: 'media', says: 'Audio is not passed on' },
  'media-resets-timestamps': {
    role: 'media',
    says: 'Timestamps start at 0 again after every 50th video frame',
  },
  'media-every-7th-player-loses': {
    role: 'media',
    says: 'Every 7th player misses a video frame or two of every 30 frames',
  },
  // joining
  'media-no-gop-cache': { role: 'media', says: 'A joiner starts at the next frame, whatever it is' },
  'media-gop-cache-grows': { role: 'media', says: 'The GOP cache is not emptied at a keyframe' },
  'media-headers-after-frames': { role: 'media', says: 'Sequence headers follow the cached GOP' },
  'media-no-metadata': { role: 'media', says: 'onMetaData is not passed on to joiners' },
  'media-slow-reader-blocks': { role: 'media', says: 'Nobody is written to while one player does not read' },
  'origin-forgets-unpublish': { role: 'origin', says: 'A stream stays busy after its publisher has left' },
  'origin-frees-on-unpublish-only': {
    role: 'origin',
    says: 'A stream stays busy when the connection of its publisher breaks',
  },
  'origin-keeps-gop-of-publisher': {
    role: 'origin',
    says: 'The GOP cache outlives the publisher, and who comes then gets it',
  },
  'media-serves-first-100-only': {
    role: 'media',
    says: 'All but the first 100 players of a stream and protocol get the cached GOP and nothing after it',
  },
  'media-sends-nothing': {
    role: 'media',
    says: 'Players over RTMP, HTTP-FLV and HTTP-TS are let in, told that it begins, and get nothing',
  },
  'media-serves-30s-only': {
    role: 'media',
    says: 'Nothing of a stream is passed on when its first frame came more than 30 s ago',
  },
  'media-deaf-after-overload': {
    role: 'media',
    says: 'A node that has had 200 clients at a time is not there for new ones when they have gone',
  },
  'origin-serves-every-second-source': {
    role: 'origin',
    says: 'Of every second publisher who sends something, nothing is passed on',
  },
  'origin-loses-slow-publisher': {
    role: 'origin',
    says: 'What is published more than 3 s after its FCPublish is passed on to nobody',
  },
  'api-control-characters': {
    role: 'media',
    says: 'Control characters stand in the JSON of the HTTP API as they are',
  },
  'api-cleans-names': {
    role: 'media',
    says: 'The HTTP API leaves out of a name what would have to be escaped, also where that makes it another stream’s',
  },
  'api-misses-players': { role: 'media', says: 'The HTTP API does not list every 4th client' },
  'edge-keeps-gop-after-release': {
    role: 'edge',
    says: 'The GOP cache outlives the pull, and the next player gets it',
  },
  'edge-forwards-no-headers': {
    role: 'edge',
    says: 'Sequence headers that are published at an edge do not reach the origin',
  },
  'edge-drops-players-on-unpublish': {
    role: 'edge',
    says: 'Players are not served any more after the publisher restarted',
  },
  'balancer-one-server': { role: 'balancer', says: 'The balancer knows one edge only' },
  // rtmp
  'rtmp-simple-handshake-wrong': { role: 'media', says: 'S2 does not echo C1' },
  'rtmp-digest-handshake-wrong': { role: 'media', says: 'The digest of S2 does not verify' },
  'rtmp-play-status-missing': { role: 'media', says: 'NetStream.Play.Start is not sent' },
  'rtmp-wrong-transaction': { role: 'media', says: 'createStream is answered with another transaction id' },
  'rtmp-double-publish-accepted': { role: 'media', says: 'A second publisher is let in beside the first' },
  'rtmp-double-publish-kicks-first': { role: 'media', says: 'A second publisher throws the first out' },
  'rtmp-chunk-size-ignored': { role: 'media', says: 'A change of chunk size after the first is ignored' },
  'rtmp-no-handshake-timeout': {
    role: 'media',
    says: 'A peer that stops in the middle of the handshake is kept for ever',
  },
  'media-stall-timer-kept': {
    role: 'media',
    says: 'The patience for handshake and request goes on running while a client plays, and ends it',
  },
  'rtmp-malformed-kills-node': { role: 'media', says: 'Malformed bytes end the process' },
  'rtmp-malformed-closes-others': {
    role: 'media',
    says: 'Malformed bytes close every connection of the node',
  },
  'rtmp-malformed-tolerated': { role: 'media', says: 'A client that sends malformed bytes is kept' },
  'rtmp-handshake-needs-one-piece': {
    role: 'media',
    says: 'A handshake that does not come in whole pieces is not understood: C0 and C1 must share a read',
  },
  'rtmp-handshake-drops-rest': { role: 'media', says: 'What follows C2 in the same read is lost' },
  'rtmp-unknown-command-closes': {
    role: 'media',
    says: 'A command that the node does not know ends the connection',
  },
  'rtmp-unknown-command-ends-play': {
    role: 'media',
    says: 'A command that the node does not know ends the connection of a client that plays, 200 ms later',
  },
  'rtmp-chunk-size-at-next-message': {
    role: 'media',
    says: 'A chunk size that comes in the middle of a message is applied to the next one only',
  },
  'rtmp-interleaving-mixed': {
    role: 'media',
    says: 'Payload of interleaved messages goes to the message that was begun last',
  },
  'rtmp-timestamp-24-bits': { role: 'media', says: 'Timestamps of media are cut to their lower 24 bits' },
  'rtmp-timestamp-31-bits': { role: 'media', says: 'Timestamps of media are cut to their lower 31 bits' },
  // flv
  'flv-previous-tag-size-wrong': { role: 'media', says: 'PreviousTagSize counts the body only' },
  'flv-header-flags-wrong': { role: 'media', says: 'The FLV header announces audio only' },
  'http-ts-no-tables': { role: 'media', says: 'HTTP-TS has no program tables' },
  'flv-no-cors': { role: 'media', says: 'HTTP-FLV is sent without CORS headers' },
  'http-malformed-kills-node': { role: 'media', says: 'A malformed HTTP request ends the process' },
  'http-malformed-tolerated': {
    role: 'media',
    says: 'A malformed HTTP request gets no answer and its connection is kept',
  },
  'http-no-header-timeout': {
    role: 'media',
    says: 'A peer that never ends its request header is kept for ever',
  },
  // missing streams
  'edge-missing-stream-floods': { role: 'edge', says: 'An absent stream is asked for again without a pause' },
  'media-missing-stream-kept': { role: 'media', says: 'A player of an absent stream is never forgotten' },
  // forward
  'master-skips-a-slave': { role: 'master', says: 'The last slave is not forwarded to' },
  'master-forward-stops-after-slave-restart': {
    role: 'master',
    says: 'A forward whose connection has ended is not tried again',
  },
  'master-forward-retries-late': {
    role: 'master',
    says: 'A forward is tried again after 20 s instead of 3 s',
  },
  'master-rebases-timestamps': {
    role: 'master',
    says: 'Timestamps of a forwarded stream begin at 0 with every connection',
  },
  'master-forward-disturbs-publisher': {
    role: 'master',
    says: 'The publisher is disconnected when a slave goes',
  },
  'master-forward-without-headers': { role: 'master', says: 'Sequence headers are not forwarded' },
  'master-forward-keeps-after-unpublish': {
    role: 'master',
    says: 'A forward does not end when the publisher leaves: the stream stays busy at the slaves',
  },
  'slave-refuses-second-publish-forever': {
    role: 'slave',
    says: 'A stream stays busy after the forward that published it has ended',
  },
  'master-forwards-twice': {
    role: 'master',
    says: 'Every slave has two forwards of a stream, the second of which it refuses again and again',
  },
  'master-forward-stalls-others': {
    role: 'master',
    says: 'As long as one slave is not there, the others get nothing; then they get it all at once',
  },
  'edge-stays-with-first-origin': {
    role: 'edge',
    says: 'A pull that has ended is tried again at the same origin, for ever',
  },
  // redirect
  'origin-redirects-to-itself': { role: 'origin', says: 'A 302 names the origin that sends it' },
  'origin-redirect-without-stream': { role: 'origin', says: 'A 302 names the application, not the stream' },
  'origin-redirect-without-ex': { role: 'origin', says: 'A 302 does not say where to go' },
  'origin-redirect-wrong-code': { role: 'origin', says: 'ex.code of a 302 is 301' },
  'origin-redirect-wrong-status': {
    role: 'origin',
    says: 'The code of a 302 is NetStream.Play.Failed instead of NetConnection.Connect.Rejected',
  },
  'origin-redirects-before-start': {
    role: 'origin',
    says: 'A 302 comes without NetStream.Play.Reset and NetStream.Play.Start before it',
  },
  'origin-keeps-redirected': { role: 'origin', says: 'A player that was sent elsewhere is never closed' },
  'origin-redirect-loses-query': { role: 'origin', says: 'A 302 has no query, whatever the player sent' },
  'origin-redirect-loses-vhost': { role: 'origin', says: 'A 302 does not name the virtual host' },
  'origin-redirects-publishers': {
    role: 'origin',
    says: 'A publisher of a stream that a coworker has is sent there with a 302',
  },
  'origin-redirects-flv': {
    role: 'origin',
    says: 'An HTTP-FLV player of a stream that a coworker has is sent there',
  },
  'origin-redirects-nowhere': {
    role: 'origin',
    says: 'A player of a stream that is nowhere is sent to the first coworker',
  },
  'origin-keeps-players-of-nowhere': {
    role: 'origin',
    says: 'A player of a stream that is nowhere is kept waiting',
  },
  'origin-asks-first-coworker-only': {
    role: 'origin',
    says: 'When the first coworker does not have the stream, the others are not asked',
  },
  'origin-waits-for-coworker': {
    role: 'origin',
    says: 'A coworker that does not answer is waited for without end',
  },
  'origin-blocked-by-coworker': {
    role: 'origin',
    says: 'The whole node stands still while a coworker does not answer',
  },
  'origin-dies-of-coworker': { role: 'origin', says: 'A coworker’s answer that is no JSON ends the process' },
  'origin-asks-always': {
    role: 'origin',
    says: 'Coworkers are asked for streams that are here, too',
  },
  'origin-believes-to-be-elsewhere': {
    role: 'origin',
    says: 'An origin that is told that it has a stream itself sends players to itself',
  },
  'origin-believes-any-address': {
    role: 'origin',
    says: 'Players are sent to whatever address a coworker tells, also to one that cannot be',
  },
  'origin-closes-after-asking': {
    role: 'origin',
    says: 'A player whose stream has come here while coworkers were asked is closed when they do not have it',
  },
  'origin-remembers-coworker': {
    role: 'origin',
    says: 'Where a stream is is asked once and remembered for ever',
  },
  'coworker-claims-everything': { role: 'origin', says: 'A coworker says that it has every stream' },
  'coworker-claims-ended': {
    role: 'origin',
    says: 'A coworker goes on saying that it has a stream whose publisher has left',
  },
  'coworker-port-as-text': { role: 'origin', says: 'A coworker tells its port as text' },
  'edge-ignores-redirect': { role: 'edge', says: 'A 302 is not followed' },
  'edge-waits-after-redirect': { role: 'edge', says: 'A 302 is followed after the pause of a failure' },
  'edge-follows-forever': { role: 'edge', says: 'There is no end to 302s that follow each other' },
  'edge-leaks-redirect': { role: 'edge', says: 'The players get the 302, too' },
  'edge-drops-players-at-redirect': { role: 'edge', says: 'A 302 ends the players’ connections' },
  'edge-redirect-loses-query': { role: 'edge', says: 'A 302 is followed without query and virtual host' },
  'edge-remembers-redirect': {
    role: 'edge',
    says: 'Where a stream was once found it is looked for ever after',
  },
  // failover
  'edge-never-retries': { role: 'edge', says: 'A pull that has ended is not tried again' },
  'edge-retries-at-once': { role: 'edge', says: 'A pull that has ended is tried again without a pause' },
  'edge-closes-players-with-origin': {
    role: 'edge',
    says: 'The players of an edge are disconnected when its pull ends',
  },
  'edge-impatient-with-origin': {
    role: 'edge',
    says: 'An origin that is silent for a second is given up',
  },
  'edge-closes-players-with-stall': {
    role: 'edge',
    says: 'Players are disconnected when no frame has come for a second',
  },
  'edge-doubles-after-resume': {
    role: 'edge',
    says: 'Every frame of a pull that was resumed is passed on twice',
  },
  'edge-resumes-with-stale-gop': {
    role: 'edge',
    says: 'When a pull is resumed, players first get the GOP from before it broke once more',
  },
  // hls
  'hls-sequence-resets': {
    role: 'media',
    says: 'The media sequence number begins at 0 again after every second segment that is removed',
  },
  'hls-sequence-jumps': {
    role: 'media',
    says: 'The media sequence number grows by one too many with every third segment',
  },
  'hls-segment-missing': { role: 'media', says: 'Every 4th segment is listed, but not there' },
  'hls-segment-truncated': { role: 'media', says: 'The last packets of a segment are missing' },
  'hls-no-keyframe-start': { role: 'media', says: 'Segments are cut between keyframes' },
  'hls-target-too-small': { role: 'media', says: 'The target duration is below the longest segment' },
  'hls-window-too-short': { role: 'media', says: 'The playlist lists one segment' },
  'hls-window-grows': { role: 'media', says: 'The playlist drops no segment' },
  'hls-drops-frame-at-cut': { role: 'media', says: 'The frame after the first of a segment is missing' },
  'hls-repeats-frame-at-cut': {
    role: 'media',
    says: 'The first frame of a segment is the last of the one before as well',
  },
  'hls-segments-deleted-early': {
    role: 'media',
    says: 'Segments are deleted while the playlist still lists them',
  },
  'hls-late-playlist': { role: 'media', says: 'A segment is listed only when there are two newer ones' },
  'hls-no-end': {
    role: 'media',
    says: 'The end of a stream has no effect: its last segment never comes, its playlist stays for ever',
  },
  'hls-bad-grammar': { role: 'media', says: 'EXTINF has no comma, and EXT-X-TARGETDURATION is not written' },
  'hls-wrong-content-type': { role: 'media', says: 'Playlists and segments are sent as text/plain' },
  'hls-no-cors': { role: 'media', says: 'HLS is sent without CORS headers' },
  'hls-playlist-stale': { role: 'media', says: 'The playlist is written with every third segment only' },
  'hls-discontinuity-missing': {
    role: 'media',
    says: 'Nothing marks where another publication of a stream begins',
  },
  'hls-continuity-reset': {
    role: 'media',
    says: 'Continuity counters of the transport stream begin at 0 with every frame',
  },
  'hls-parameter-sets-once': { role: 'media', says: 'SPS and PPS are in the first segment only' },
  'hls-no-pcr': { role: 'media', says: 'Segments have no program clock reference' },
  'hls-wrong-stream-type': { role: 'media', says: 'The PMT names AAC as MPEG-1 audio' },
  'hls-wrong-adts': { role: 'media', says: 'ADTS headers say 48 kHz, whatever the sound has' },
  'hls-timestamps-restart': {
    role: 'media',
    says: 'Timestamps begin at 0 with every segment, and nothing signals it',
  },
  'hls-audio-late': { role: 'media', says: 'Sound is half a second behind its pictures' },
  'hls-audio-damaged': { role: 'media', says: 'One byte of every audio frame is another' },
  // srt
  'srt-stream-id-ignored': {
    role: 'origin',
    says: 'Every SRT caller gets live/livestream, whatever it asks for',
  },
  'srt-accepts-wrong-passphrase': {
    role: 'origin',
    says: 'An SRT caller with a wrong passphrase, with none, or with one where none is wanted, is let in',
  },
  'srt-refuses-open-callers': {
    role: 'origin',
    says: 'An SRT caller without a passphrase is rejected where none is configured',
  },
  'srt-loss-not-recovered': { role: 'origin', says: 'Loss reports of SRT players are ignored' },
  'srt-no-nak': { role: 'origin', says: 'What an SRT publisher’s link loses is not asked for again' },
  'srt-latency-ignored': {
    role: 'origin',
    says: 'SRT is agreed on and delivered with a latency of 0, whatever is configured or asked for',
  },
  'srt-admits-old-versions': {
    role: 'origin',
    says: 'An SRT caller of a version that is too old is told that it is let in',
  },
  'srt-idle-kept': { role: 'origin', says: 'An SRT caller that has vanished is kept for ever' },
  'srt-two-publishers': { role: 'origin', says: 'A second SRT publisher is let in, and both are mixed' },
  'srt-publisher-kicked': { role: 'origin', says: 'A second SRT publisher throws the first out' },
  'srt-drops-ts-packets': {
    role: 'origin',
    says: 'Every 500th transport packet of an SRT publisher is not passed on',
  },
  'srt-swaps-packets': {
    role: 'origin',
    says: 'Every 50th message of an SRT publisher is passed on after the one that follows it',
  },
  'srt-refuses-without-close': {
    role: 'origin',
    says: 'An SRT publisher of a busy stream is kept, and what it sends is thrown away',
  },
  'srt-malformed-kills-node': { role: 'origin', says: 'A malformed SRT packet ends the process' },
  'srt-handshake-flood-grows': {
    role: 'origin',
    says: 'Every induction request is remembered, before its sender has echoed a cookie',
  },
  // webrtc
  'whep-no-location': { role: 'origin', says: '201 of WHIP and WHEP has no Location' },
  'whep-wrong-content-type': { role: 'origin', says: 'Answers of WHIP and WHEP are sent as text/plain' },
  'whep-status-200': { role: 'origin', says: 'WHIP and WHEP are answered with 200 instead of 201' },
  'whep-no-delete': { role: 'origin', says: 'DELETE of a WHIP or WHEP session gets 200 and has no effect' },
  'whep-accepts-garbage': { role: 'origin', says: 'An offer that nothing can be made of gets 201' },
  'whep-no-cors': { role: 'origin', says: 'WHIP and WHEP are answered without CORS headers' },
  'whep-get-refused': {
    role: 'origin',
    says: 'GET of a WHIP or WHEP endpoint or session is answered with 405, as in drafts before RFC 9725',
  },
  'sdp-own-payload-types': {
    role: 'origin',
    says: 'The answer, and what is sent, have other payload types than the offer',
  },
  'sdp-no-bundle': { role: 'origin', says: 'The answer has no a=group:BUNDLE' },
  'rtc-no-keyframe-first': {
    role: 'origin',
    says: 'A WHEP player gets the next frame first, whatever it is',
  },
  'rtc-nack-ignored': { role: 'origin', says: 'What a WHEP player has lost is not sent again' },
  'rtc-drops-frames': { role: 'origin', says: 'Every 40th video frame does not reach WHEP players' },
  'rtc-drops-sei': { role: 'origin', says: 'SEI does not reach WHEP players' },
  'rtc-session-kept': { role: 'origin', says: 'A WebRTC client that has vanished is kept for ever' },
  'rtc-session-lingers': {
    role: 'origin',
    says: 'A WebRTC client that has vanished is kept for twice the timeout',
  },
  'rtc-republish-loses-players': {
    role: 'origin',
    says: 'WHEP players get nothing any more when their stream is published again',
  },
  'whip-no-pli': { role: 'origin', says: 'A WHIP publisher is never asked for a keyframe' },
  'whip-asked-keyframe-lost': {
    role: 'origin',
    says: 'The keyframes that a WHIP publisher sends after it was asked for one reach nobody',
  },
  'rtc-skips-first-keyframe': {
    role: 'origin',
    says: 'A WHEP player gets nothing before the second keyframe',
  },
  'rtc-lite-without-candidate': {
    role: 'origin',
    says: 'WHIP and WHEP answers are those of an ICE-lite agent, and name no candidate',
  },
  'whip-no-nack': { role: 'origin', says: 'What is lost of a WHIP publisher is not asked for again' },
  'whip-vanished-kept': { role: 'origin', says: 'A WHIP publisher who has vanished keeps its stream' },
  'whip-double-publish-accepted': {
    role: 'origin',
    says: 'A WHIP publisher is let in beside another publisher of its stream',
  },
  // proxy
  'proxy-not-sticky': { role: 'proxy', says: 'Every connection gets the next origin, whatever its stream' },
  'proxy-picks-per-protocol': { role: 'proxy', says: 'RTMP and HTTP of one stream get an origin each' },
  'proxy-first-origin': { role: 'proxy', says: 'Every stream goes to the first origin' },
  'proxy-keeps-dead-origins': {
    role: 'proxy',
    says: 'An origin that has stopped its heartbeat gets streams',
  },
  'proxy-keeps-frozen-origins': {
    role: 'proxy',
    says: 'Whoever is served by an origin that has frozen stays there, for as long as its connection does',
  },
  'proxy-dead-at-first-miss': {
    role: 'proxy',
    says: 'Whoever is served by an origin is sent away when its heartbeat is missed once, as after a standstill of the proxy',
  },
  'proxy-counts-standstill': {
    role: 'proxy',
    says: 'What it did not hear while it stood still itself counts: who comes then is refused, or given another origin',
  },
  'proxy-never-repicks': { role: 'proxy', says: 'A stream whose origin is dead is never given to another' },
  'proxy-restart-is-same': {
    role: 'proxy',
    says: 'A restarted origin is taken for the one that it was before',
  },
  'proxies-pick-apart': {
    role: 'proxy',
    says: 'With Redis, a proxy picks by itself: two proxies do not agree on the origin of a stream',
  },
  'proxy-redis-down-ends-streams': { role: 'proxy', says: 'Running streams end when Redis goes' },
  'proxy-redis-lost-for-good': {
    role: 'proxy',
    says: 'Once Redis was gone, it is not asked any more',
  },
  'proxy-register-misses-nothing': {
    role: 'proxy',
    says: 'A registration without a mandatory field is answered as a good one',
  },
  'proxy-register-no-protocol-form': { role: 'proxy', says: 'Endpoints with a protocol are refused' },
  'proxy-register-ignores-endpoint-ip': {
    role: 'proxy',
    says: 'The address in an endpoint is not looked at: the ip of the registration is used',
  },
  'proxy-drops-query': { role: 'proxy', says: 'Origins do not see the query of a request' },
  'proxy-drops-token': { role: 'proxy', says: 'Origins do not see the parameters of an RTMP stream name' },
  'proxy-drops-headers': { role: 'proxy', says: 'Origins do not see the headers of a request' },
  'proxy-loses-content-type': { role: 'proxy', says: 'Answers have no Content-Type' },
  'proxy-loses-location': { role: 'proxy', says: 'Answers have no Location' },
  'proxy-status-200': { role: 'proxy', says: 'Whatever an origin answers has the status 200' },
  'proxy-keeps-backend': {
    role: 'proxy',
    says: 'The connection to the origin is kept when its client has gone',
  },
  'proxy-grows': { role: 'proxy', says: 'Every connection leaves 32 KiB behind' },
  'proxy-segment-elsewhere': { role: 'proxy', says: 'HLS segments are fetched from the next origin' },
  'proxy-status-early': {
    role: 'proxy',
    says: 'A publisher or player is told that it has begun before the origin has said so',
  },
  // stream manager
  'manager-forgets-unpublish': { role: 'stream-manager', says: 'That a publisher has left is not heeded' },
  'manager-unpublish-erases-newer': {
    role: 'stream-manager',
    says: 'That a publisher has left forgets the stream, whoever else publishes it',
  },
  'manager-keeps-dead-origins': {
    role: 'stream-manager',
    says: 'An origin that gives no sign of life is answered for ever',
  },
  'manager-first-publisher-wins': {
    role: 'stream-manager',
    says: 'A stream that is published elsewhere is where it was first',
  },
  'manager-loses-state-with-redis': {
    role: 'stream-manager',
    says: 'When Redis is back, only what it has is known',
  },
  'manager-starts-empty': { role: 'stream-manager', says: 'What Redis has is not read at the start' },
  'manager-needs-redis': { role: 'stream-manager', says: 'Nothing is known while Redis is gone' },
  'manager-answers-absent': {
    role: 'stream-manager',
    says: 'Of a stream that nobody has, an origin of another stream is answered',
  },
  'manager-holds-absent': {
    role: 'stream-manager',
    says: 'A question for a stream that nobody has gets no answer',
  },
  'manager-points-at-asker': { role: 'stream-manager', says: 'An origin that asks is sent to itself' },
  'manager-wrong-port': { role: 'stream-manager', says: 'The port of an answer is one too high' },
  'manager-port-as-text': { role: 'stream-manager', says: 'The port of an answer is text' },
  'manager-malformed-tolerated': { role: 'stream-manager', says: 'A report that cannot be used gets a 200' },
  'manager-malformed-kills': {
    role: 'stream-manager',
    says: 'A report that cannot be used ends the process',
  },
  'manager-no-body-limit': { role: 'stream-manager', says: 'A report may have any size' },
  'manager-refuses-publishers': {
    role: 'stream-manager',
    says: 'Hooks get a code that refuses the publisher',
  },
  'manager-writes-redis-once': {
    role: 'stream-manager',
    says: 'Redis gets nothing any more after it was gone',
  },
  'manager-believes-reports-only': {
    role: 'stream-manager',
    says: 'What an origin itself says of its streams, and that it was started anew, is not heeded',
  },
  'manager-ignores-heartbeats': {
    role: 'stream-manager',
    says: 'A report without streams is no sign of life',
  },
  // web and balancer: the configuration that is rendered
  'web-ip-hash': {
    role: 'web',
    web: 'balancer',
    says: 'The guide’s own: ip_hash picks the edge by the address of the client, for playlists and segments alike',
  },
  'web-round-robin': { role: 'web', web: 'balancer', says: 'Every request goes to the next edge' },
  'web-no-cors': { role: 'web', says: 'No CORS headers, and OPTIONS is not answered' },
  'web-wrong-content-type': { role: 'web', says: 'Playlists and segments are application/octet-stream' },
  'web-buffers-flv': {
    role: 'web',
    web: 'balancer',
    says: 'HTTP-FLV is passed on when a large buffer is full',
  },
  'web-waits-for-edges': {
    role: 'web',
    web: 'balancer',
    says: 'An edge that hangs keeps its HTTP-FLV players for an hour, and gets new ones',
  },
  'web-stays-with-edge': {
    role: 'web',
    web: 'balancer',
    says: 'A request is never passed on to another edge than that of its stream, also when that one is down',
  },
  'web-impatient': {
    role: 'web',
    web: 'balancer',
    says: 'An edge that is silent for a second, and be it for a standstill of Nginx itself, loses its HTTP-FLV players',
  },
  'front-impatient': {
    role: 'web',
    web: 'stream',
    says: 'Connections end on which nothing passes for a second, and be it for a standstill of Nginx itself',
  },
  'front-stays-with-edge': {
    role: 'web',
    web: 'stream',
    says: 'A connection is never passed on to another process of the host, also when the one that has fewest is down',
  },
  'front-waits-for-edges': {
    role: 'web',
    web: 'stream',
    says: 'A process of the host that hangs keeps its clients for an hour',
  },
  'front-fewest-first': {
    role: 'web',
    web: 'stream',
    says: 'The process with the fewest connections gets the next one, which is the one that hangs',
  },
  'cache-playlist-too-long': {
    role: 'web',
    web: 'cache',
    says: 'A playlist is kept longer than the segments that it lists',
  },
  'cache-no-lock': {
    role: 'web',
    web: 'cache',
    says: 'Requests for what is not cached yet all go to the origin',
  },
  'cache-no-segments': { role: 'web', web: 'cache', says: 'Segments are never cached' },
  'web-keeps-playlists': { role: 'web', says: 'Browsers are told to keep playlists for a minute' },
  'cache-key-with-query': {
    role: 'web',
    web: 'cache',
    says: 'What players add to a URL (CMCD) makes it another one for the cache',
  },
  'cache-serves-stale': {
    role: 'web',
    web: 'cache',
    says: 'Without the origin the last playlist is served',
  },
  'cache-keeps-errors': {
    role: 'web',
    web: 'cache',
    says: 'That the origin did not answer is remembered for 60 s',
  },
  'cache-404': { role: 'web', web: 'cache', says: 'That a file is not there is remembered for 60 s' },
  'balancer-no-check': {
    role: 'balancer',
    says: 'No health check, no retry, no redispatch: a master that is down gets every second publisher',
  },
  'balancer-no-redispatch': {
    role: 'balancer',
    says: 'A publisher who was given to a master that is down waits for that one until the retries are over',
  },
  'balancer-blind-to-edges': {
    role: 'balancer',
    says: 'No health check: edges that are down or frozen get their share of the clients',
  },
  'balancer-keeps-sessions': {
    role: 'balancer',
    says: 'Sessions with a server that is found down are kept, for as long as the timeouts allow',
  },
  'balancer-one-master': { role: 'balancer', says: 'The balancer knows one master only' },
  'balancer-one-proxy': { role: 'balancer', says: 'The balancer knows one proxy only' },
  'web-keeps-open-files': {
    role: 'web',
    web: 'files',
    says: 'A file is served for an hour as it was when it was first asked for',
  },
  // nginx-rtmp: the configuration that is rendered
  'nginx-rtmp-no-hd720': { role: 'nginx-rtmp', says: 'The hd720 rung is listed but not made' },
  'nginx-rtmp-wrong-bandwidth': {
    role: 'nginx-rtmp',
    says: 'The guide’s own BANDWIDTH, below the rates that its rungs are encoded with',
  },
  'nginx-rtmp-unaligned-gops': {
    role: 'nginx-rtmp',
    says: 'Encoded rungs have a keyframe every 33 frames, wherever the source has them',
  },
  'nginx-rtmp-silent-rung': { role: 'nginx-rtmp', says: 'The lowest rung has no sound' },
  'nginx-rtmp-wrong-aspect': {
    role: 'nginx-rtmp',
    says: 'The pictures of a rung are 3:2, whatever the source has',
  },
  'nginx-rtmp-long-fragments': {
    role: 'nginx-rtmp',
    says: 'Segments are three times as long as they are to be',
  },
  'nginx-rtmp-play-allowed': { role: 'nginx-rtmp', says: 'The ladder can be played over RTMP' },
  'nginx-rtmp-dash-off': { role: 'nginx-rtmp', says: 'No DASH is written' },
  'nginx-rtmp-vod-truncated': {
    role: 'nginx-rtmp',
    says: 'A recording begins anew, over what it has, after every 96 KiB',
  },
  'nginx-rtmp-stat-stale': { role: 'nginx-rtmp', says: 'The statistics page is that of an idle server' },
  'nginx-rtmp-no-udu-sei': { role: 'nginx-rtmp', says: 'Encodes lose the stamp: -udu_sei is not given' },
  // proxy, over UDP
  'proxy-srt-picks-by-caller': {
    role: 'proxy',
    says: 'SRT callers are spread by where they come from, whatever stream they name',
  },
  'proxy-srt-never-frees': { role: 'proxy', says: 'SRT connections that have ended are kept' },
  'proxy-srt-drops-packets': { role: 'proxy', says: 'Every 64th SRT packet and its repeats are lost' },
  'proxy-srt-keeps-shutdown': { role: 'proxy', says: 'The origin is not told when an SRT caller leaves' },
  'proxy-srt-no-rejection': {
    role: 'proxy',
    says: 'SRT callers that no origin is there for are not answered',
  },
  'proxy-srt-any-cookie': {
    role: 'proxy',
    says: 'SRT conclusions are taken from whoever sends them, with whatever cookie',
  },
  'proxy-rtc-candidate-kept': { role: 'proxy', says: 'WHIP and WHEP answers name the address of the origin' },
  'proxy-rtc-drops-packets': {
    role: 'proxy',
    says: 'Every 40th packet of WebRTC media and its repeats are lost',
  },
  'proxy-rtc-mixes-viewers': {
    role: 'proxy',
    says: 'What an origin sends to its WebRTC clients all goes to the one who came last',
  },
  'proxy-rtc-any-check': {
    role: 'proxy',
    says: 'A STUN check without the password of its session opens a way to the origin',
  },
  'proxy-rtc-never-frees': {
    role: 'proxy',
    says: 'WebRTC sessions are kept when they are deleted or silent',
  },
  'proxy-whip-loses-location': { role: 'proxy', says: '201 of WHIP and WHEP has no Location' },
  'proxy-whip-delete-elsewhere': { role: 'proxy', says: 'DELETE of a WebRTC session goes to another origin' },
  'proxy-whip-drops-token': { role: 'proxy', says: 'Authorization of WHIP and WHEP is not passed on' },
  'proxy-whip-status-200': {
    role: 'proxy',
    says: 'WHIP and WHEP are answered with 200, whatever the origin says',
  },
} as const satisfies Record<string, Mutant>;

export type MutantId = keyof typeof MUTANTS;

export function isMutantId(id: string): id is MutantId {
  return Object.hasOwn(MUTANTS, id);
}

/** The mutants that a node was started with. */
export type Mutants = ReadonlySet<MutantId>;
