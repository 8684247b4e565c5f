/**
 * Every way in which bytes can be wrong. Codes are stable: tests, reports and users may match on them.
 * One code is one condition; the message carries what was expected and what came.
 */
export const ProtocolErrorCode = {
  /** AMF0: a type marker that RTMP does not use, or that is reserved. */
  AmfMarker: 'amf0.marker',
  /** AMF0: the value ends before its own length says so. */
  AmfTruncated: 'amf0.truncated',
  /** AMF0: nested deeper than the limit. */
  AmfDepth: 'amf0.depth',
  /** AMF0: more properties, elements or bytes than the limit. */
  AmfSize: 'amf0.size',
  /** AMF0: an object reference to a value that is not there. */
  AmfReference: 'amf0.reference',
  /** RTMP: C0/S0 names a version other than 3. */
  RtmpVersion: 'rtmp.handshake.version',
  /** RTMP: S2 or C2 does not echo, or its digest does not verify. */
  RtmpHandshakeEcho: 'rtmp.handshake.echo',
  /** RTMP: a type 1, 2 or 3 chunk header on a chunk stream that never had a full header. */
  RtmpChunkHeader: 'rtmp.chunk.header',
  /** RTMP: a chunk size of zero or with its first bit set, or above the limit. */
  RtmpChunkSize: 'rtmp.chunk.size',
  /** RTMP: a message longer than the limit. */
  RtmpMessageSize: 'rtmp.message.size',
  /** RTMP: more chunk streams than the limit. */
  RtmpChunkStreams: 'rtmp.chunk.streams',
  /** RTMP: a control message with a payload of the wrong length. */
  RtmpControl: 'rtmp.control.length',
  /** RTMP: an aggregate whose sub-messages do not fill it. */
  RtmpAggregate: 'rtmp.aggregate',
  /** RTMP: a command message without a name or transaction id. */
  RtmpCommand: 'rtmp.command',
  /** FLV: the signature is not "FLV", or the version is not 1. */
  FlvSignature: 'flv.signature',
  /** FLV: a DataOffset below 9 or above the limit. */
  FlvHeader: 'flv.header',
  /** FLV: a tag of a type that does not exist, with StreamID other than 0, or longer than the limit. */
  FlvTag: 'flv.tag',
  /** FLV: PreviousTagSize differs from the size of the tag before it. */
  FlvPreviousTagSize: 'flv.previous-tag-size',
  /** H.264: a NAL unit length that runs past its access unit, or an empty NAL unit. */
  NalLength: 'h264.nal.length',
  /** H.264: an AVCDecoderConfigurationRecord that contradicts itself. */
  AvcConfig: 'h264.avc-config',
  /** H.264: a parameter set that cannot be parsed. */
  ParameterSet: 'h264.parameter-set',
  /** AAC: an AudioSpecificConfig or a frame that ADTS cannot express. */
  AacConfig: 'aac.config',
  /** HTTP/1.1: a malformed status or request line. */
  HttpStartLine: 'http1.start-line',
  /** HTTP/1.1: a malformed header field, or a header section above the limit. */
  HttpHeader: 'http1.header',
  /** HTTP/1.1: a malformed chunk size line, or a chunk above the limit. */
  HttpChunk: 'http1.chunk',
  /** HTTP/1.1: the body ended before its length was reached. */
  HttpTruncated: 'http1.truncated',
  /** HLS: the first line is not #EXTM3U, or the text is not UTF-8 lines. */
  HlsSignature: 'hls.signature',
  /** HLS: a tag whose value cannot be parsed, or that is missing where it is required. */
  HlsTag: 'hls.tag',
  /** HLS: a playlist that mixes master and media tags, or is neither. */
  HlsKind: 'hls.kind',
  /** HLS: larger, or with more lines or segments, than the limit. */
  HlsSize: 'hls.size',
  /** DASH: a manifest that is not well-formed, or lacks what is required. */
  DashManifest: 'dash.manifest',
  /** DASH: larger or deeper than the limit. */
  DashSize: 'dash.size',
  /** MPEG-TS: a packet that does not begin with the sync byte 0x47, or whose adaptation field runs past it. */
  TsPacket: 'mpegts.packet',
  /** MPEG-TS: a PAT or PMT that cannot be parsed, or whose CRC is wrong. */
  TsSection: 'mpegts.section',
  /** MPEG-TS: a PES header that cannot be parsed. */
  TsPes: 'mpegts.pes',
  /** MPEG-TS: more streams, or a longer PES packet, than the limit. */
  TsSize: 'mpegts.size',
  /** SRT: shorter than its header, or a control packet of the wrong length. */
  SrtPacket: 'srt.packet',
  /** SRT: a handshake that is too short, of a version or a type that there is not, or without its magic number. */
  SrtHandshake: 'srt.handshake',
  /** SRT: a handshake extension that runs past its packet, or contradicts itself. */
  SrtExtension: 'srt.extension',
  /** SRT: a stream id longer than 512 bytes, or not UTF-8. */
  SrtStreamId: 'srt.stream-id',
  /** SRT: a key material message that cannot be parsed. */
  SrtKeyMaterial: 'srt.key-material',
  /** SRT: a loss report whose ranges are not pairs, or run backwards. */
  SrtLossList: 'srt.loss-list',
  /** RTP: a packet that is not version 2, or whose CSRC list, extension or padding runs past it. */
  RtpPacket: 'rtp.packet',
  /** RTP: a header extension that contradicts itself, or cannot be written. */
  RtpExtension: 'rtp.extension',
  /** RTP: an H.264 payload of a kind that packetization mode 1 does not have, or that runs past its packet. */
  RtpH264: 'rtp.h264',
  /** RTCP: a packet that is not version 2, or runs past its datagram, or is shorter than its own count says. */
  RtcpPacket: 'rtcp.packet',
  /** SDP: a line that is not `<type>=<value>`, or stands where it must not. */
  SdpLine: 'sdp.line',
  /** SDP: a value that cannot be parsed, or written. */
  SdpValue: 'sdp.value',
  /** SDP: larger, or with more lines or media, than the limit. */
  SdpSize: 'sdp.size',
  /** STUN: not a STUN message, or one whose length is not that of its bytes. */
  StunMessage: 'stun.message',
  /** STUN: an attribute that runs past its message, or whose value cannot be parsed. */
  StunAttribute: 'stun.attribute',
  /** STUN: MESSAGE-INTEGRITY or FINGERPRINT is missing or does not verify. */
  StunIntegrity: 'stun.integrity',
  /** DTLS: a record of a type, version or length that there is not, or that does not decrypt. */
  DtlsRecord: 'dtls.record',
  /** DTLS: a handshake message that cannot be parsed, or fragments of it that contradict each other. */
  DtlsHandshake: 'dtls.handshake',
  /** DTLS: a handshake message where another one is due. */
  DtlsUnexpected: 'dtls.unexpected',
  /** DTLS: no version, cipher suite, curve, signature or SRTP profile in common. */
  DtlsNegotiation: 'dtls.negotiation',
  /** DTLS: a certificate that cannot be read, or whose fingerprint is not the one in the SDP. */
  DtlsCertificate: 'dtls.certificate',
  /** DTLS: a signature or a Finished message that does not verify. */
  DtlsVerify: 'dtls.verify',
  /** DTLS: the peer sent a fatal alert. */
  DtlsAlert: 'dtls.alert',
  /** DTLS: a flight was not answered however often it was sent. */
  DtlsTimeout: 'dtls.timeout',
  /** SRTP and SRTCP: shorter than header and tag, or not to be read. */
  SrtpPacket: 'srtp.packet',
  /** SRTP and SRTCP: keys of the wrong length. */
  SrtpKeys: 'srtp.keys',
  /** A URL that the tool cannot play or publish to. */
  Url: 'url',
} as const;

export type ProtocolErrorCode = (typeof ProtocolErrorCode)[keyof typeof ProtocolErrorCode];

/** Malformed input. Fatal to the connection it came from and to nothing else. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: ProtocolErrorCode;
  /** What the specification asks for, in words. */
  readonly expected: string;
  /** What came instead. */
  readonly actual: string;

  constructor(code: ProtocolErrorCode, expected: string, actual: string) {
    super(`${code}: expected ${expected}, got ${actual}`);
    this.code = code;
    this.expected = expected;
    this.actual = actual;
  }
}
