/** Builtin media nodes: our own server, one Node process each. */
import { startArgs } from '../../runtime/entry.ts';
import type { BuiltinConfig } from '../builtin/config.ts';
import type { Timeouts } from '../builtin/constants.ts';
import type { NodeSpec, RtcSettings } from '../topology.ts';
import {
  addressOf,
  type ClusterPlan,
  folderOf,
  type Launcher,
  mutantsOf,
  settingsOf,
  tapsOf,
} from './launch.ts';
import { mediaNodeReady } from './readiness.ts';
import { coworkersOf, heartbeatMs, hooksOf, registrationOf } from './registration.ts';

export const builtinLauncher: Launcher = {
  engine: 'builtin',
  check() {},
  launch(spec, plan) {
    const { host, ports } = addressOf(plan, spec.name);
    return {
      program: process.execPath,
      args: [...startArgs('lab/builtin/main.ts'), JSON.stringify(configOf(spec, plan))],
      answers: (pid) => mediaNodeReady(host, ports, pid),
    };
  },
};

function configOf(spec: NodeSpec, plan: ClusterPlan): BuiltinConfig {
  const { name } = spec;
  const role = spec.role as BuiltinConfig['role'];
  const { host, ports } = addressOf(plan, name);
  const links = tapsOf(spec, 'rtmp', plan);
  const hooks = hooksOf(spec, plan);
  return {
    role,
    name,
    host,
    rtmpPort: ports.rtmp,
    httpPort: ports.http,
    apiPort: ports.api,
    ...(ports.srt === undefined ? {} : { srtPort: ports.srt }),
    ...(ports.rtc === undefined ? {} : { rtcPort: ports.rtc }),
    origins:
      role === 'edge'
        ? links.map((tap) => {
            const origin = addressOf(plan, tap.to);
            return { host: tap.host, port: tap.port, api: `http://${origin.host}:${origin.ports.api}` };
          })
        : [],
    ...(role === 'master' ? { forwards: links.map((tap) => ({ host: tap.host, port: tap.port })) } : {}),
    ...(spec.coworkers === undefined ? {} : { coworkers: coworkersOf(spec, plan) }),
    ...registerOf(spec, plan),
    ...(hooks === undefined ? {} : { hooks }),
    ...(spec.hls ? { hls: { directory: folderOf(name, plan) } } : {}),
    settings: settingsOf(spec, plan),
    timeouts: {
      handshake: plan.patience.rtmpHandshake,
      httpRequest: plan.patience.httpRequest,
      coworker: plan.patience.coworker,
      ...(plan.patience.publishFirst === undefined ? {} : { publishFirst: plan.patience.publishFirst }),
      ...rtcTimeouts(plan.settings.rtc),
    },
    mutants: mutantsOf(spec, plan),
  };
}

function registerOf(spec: NodeSpec, plan: ClusterPlan): Pick<BuiltinConfig, 'register'> {
  const registration = registrationOf(spec, plan);
  if (registration === undefined) return {};
  const { rtmp, http, api, srt, rtc } = addressOf(plan, spec.name).ports;
  return {
    register: {
      url: registration.url,
      ip: registration.alias,
      deviceId: spec.name,
      intervalMs: heartbeatMs(plan.settings),
      endpoints: {
        ...{ rtmp, http, api },
        ...(srt === undefined ? {} : { srt }),
        ...(rtc === undefined ? {} : { rtc }),
      },
    },
  };
}

function rtcTimeouts({ stunTimeoutSeconds, pliSeconds }: RtcSettings = {}): Partial<Timeouts> {
  return {
    ...(stunTimeoutSeconds === undefined ? {} : { rtcSilence: stunTimeoutSeconds * 1000 }),
    ...(pliSeconds === undefined ? {} : { rtcKeyframe: pliSeconds * 1000 }),
  };
}
