/** Proxies in front of origins: ours, or a program that speaks the same environment (seeds/001, Config and Register). */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { startArgs } from '../../runtime/entry.ts';
import type { ProxyTimeouts } from '../builtin/proxy/timeouts.ts';
import { LabError, LabErrorCode } from '../errors.ts';
import type { NodeSpec } from '../topology.ts';
import { isExecutable } from './find-program.ts';
import { addressOf, type ClusterPlan, type Launcher, mutantsOf, withoutInherited } from './launch.ts';
import { httpAnswers, mediaNodeReady } from './readiness.ts';
import { REGISTER_PATH } from './registration.ts';

export const builtinProxyLauncher: Launcher = {
  engine: 'builtin',
  check() {},
  launch(spec, plan) {
    const { host, ports } = addressOf(plan, spec.name);
    return {
      program: process.execPath,
      args: startArgs('lab/builtin/proxy/main.ts'),
      env: {
        ...environmentOf(spec, plan),
        PROXY_NAME: spec.name,
        PROXY_MUTANTS: mutantsOf(spec, plan).join(','),
        PROXY_TIMEOUTS: JSON.stringify(timeoutsOf(plan)),
      },
      answers: (pid) => mediaNodeReady(host, { ...ports, srt: undefined }, pid),
    };
  },
};

export const foreignProxyLauncher: Launcher = {
  engine: 'proxy',
  check({ proxyPath }) {
    if (proxyPath !== undefined && !isExecutable(proxyPath)) {
      throw new LabError(LabErrorCode.Program, `${proxyPath} is not a program that can be executed`);
    }
  },
  launch(spec, plan) {
    const { host, ports } = addressOf(plan, spec.name);
    return {
      program: path.resolve(plan.proxyPath!),
      args: [],
      env: environmentOf(spec, plan),
      // What is documented for all: that it takes registrations. An empty one it refuses, and remembers nothing of.
      answers: () => httpAnswers(host, ports.system!, REGISTER_PATH),
    };
  },
};

/** As those of the media nodes, so that what a check waits for is as short behind a proxy. */
function timeoutsOf({ settings, patience }: ClusterPlan): Partial<ProxyTimeouts> {
  const { registration, srt, rtc } = settings;
  return {
    handshake: patience.rtmpHandshake,
    httpRequest: patience.httpRequest,
    ...(registration?.aliveMs === undefined ? {} : { alive: registration.aliveMs }),
    ...(srt?.peerIdleMs === undefined ? {} : { srtIdle: srt.peerIdleMs }),
    ...(rtc?.stunTimeoutSeconds === undefined ? {} : { rtcIdle: rtc.stunTimeoutSeconds * 1000 }),
  };
}

function environmentOf(spec: NodeSpec, plan: ClusterPlan): Record<string, string | undefined> {
  const { host, ports } = addressOf(plan, spec.name);
  const at = (port: number | undefined): string => `${host}:${port}`;
  const files = path.join(plan.runDir, `${spec.name}.files`);
  mkdirSync(files, { recursive: true });
  return {
    ...withoutInherited('PROXY_'),
    PROXY_RTMP_SERVER: at(ports.rtmp),
    PROXY_HTTP_SERVER: at(ports.http),
    PROXY_HTTP_API: at(ports.api),
    PROXY_WEBRTC_SERVER: at(ports.rtc),
    PROXY_SRT_SERVER: at(ports.srt),
    PROXY_SYSTEM_API: at(ports.system),
    PROXY_STATIC_FILES: files,
    PROXY_DEFAULT_BACKEND_ENABLED: 'off',
    ...stateOf(spec, plan),
  };
}

function stateOf({ redis }: NodeSpec, plan: ClusterPlan): Record<string, string> {
  if (redis === undefined) return { PROXY_LOAD_BALANCER_TYPE: 'memory' };
  const { host, ports } = addressOf(plan, redis);
  return {
    PROXY_LOAD_BALANCER_TYPE: 'redis',
    PROXY_REDIS_HOST: host,
    PROXY_REDIS_PORT: String(ports.redis),
    PROXY_REDIS_DB: '0',
  };
}
