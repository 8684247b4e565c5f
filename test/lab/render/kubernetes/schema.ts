/**
 * As strict as the API server is with `--validate=strict`: types, required fields, and no field that the schema does not
 * name. Enough of JSON Schema for the OpenAPI documents of Kubernetes (version 2).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[];
}

const { definitions } = JSON.parse(readFileSync(join(import.meta.dirname, 'schemas.json'), 'utf8')) as {
  definitions: Readonly<Record<string, Schema>>;
};

/** The schema of a kind; undefined when it is not in schemas.json. */
export function schemaOf(apiVersion: string, kind: string): Schema | undefined {
  const [version, group = ''] = apiVersion.split('/').toReversed();
  return Object.values(definitions).find((schema) =>
    schema['x-kubernetes-group-version-kind']?.some(
      (one) => one.group === group && one.version === version && one.kind === kind,
    ),
  );
}

/** What is wrong, by path; nothing when all is right. */
export function validate(value: unknown, schema: Schema, path = ''): string[] {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.slice('#/definitions/'.length);
    return validate(value, definitions[name]!, path);
  }
  if (schema.format === 'int-or-string') {
    return typeof value === 'string' || Number.isInteger(value) ? [] : [`${path}: no int-or-string`];
  }
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return [`${path}: not one of ${schema.enum}`];
  switch (schema.type) {
    case 'string':
      return typeof value === 'string' ? [] : [`${path}: no string`];
    case 'integer':
      return Number.isInteger(value) ? [] : [`${path}: no integer`];
    case 'number':
      return typeof value === 'number' ? [] : [`${path}: no number`];
    case 'boolean':
      return typeof value === 'boolean' ? [] : [`${path}: no boolean`];
    case 'array':
      if (!Array.isArray(value)) return [`${path}: no array`];
      return value.flatMap((item, index) => validate(item, schema.items!, `${path}[${index}]`));
    default:
      return validateObject(value, schema, path);
  }
}

function validateObject(value: unknown, schema: Schema, path: string): string[] {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return [`${path}: no object`];
  const { properties, additionalProperties, required = [] } = schema;
  // A type without fields of its own is whatever JSON is.
  if (properties === undefined && additionalProperties === undefined) return [];
  const missing = required.filter((name) => !(name in value)).map((name) => `${path}.${name}: is missing`);
  const wrong = Object.entries(value).flatMap(([name, inner]) => {
    const of = properties?.[name] ?? additionalProperties;
    return of === undefined ? [`${path}.${name}: no such field`] : validate(inner, of, `${path}.${name}`);
  });
  return [...missing, ...wrong];
}

const ENV: Schema = { type: 'array', items: { $ref: '#/definitions/io.k8s.api.core.v1.EnvVar' } };

/**
 * TestRun of k6.io/v1alpha1 as far as it is used here, from the documentation of k6-operator 1.x. What is rendered was held against
 * its CRD of v1.6.0 (config/crd/bases/k6.io_testruns.yaml), too.
 */
export const TEST_RUN: Schema = {
  type: 'object',
  required: ['apiVersion', 'kind', 'metadata', 'spec'],
  properties: {
    apiVersion: { type: 'string', enum: ['k6.io/v1alpha1'] },
    kind: { type: 'string', enum: ['TestRun'] },
    metadata: { $ref: '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' },
    spec: {
      type: 'object',
      required: ['parallelism', 'script'],
      properties: {
        parallelism: { type: 'integer' },
        arguments: { type: 'string' },
        script: { type: 'object', properties: { localFile: { type: 'string' } } },
        runner: {
          type: 'object',
          properties: {
            image: { type: 'string' },
            affinity: { $ref: '#/definitions/io.k8s.api.core.v1.Affinity' },
            env: ENV,
            resources: { $ref: '#/definitions/io.k8s.api.core.v1.ResourceRequirements' },
            securityContext: { $ref: '#/definitions/io.k8s.api.core.v1.PodSecurityContext' },
            containerSecurityContext: { $ref: '#/definitions/io.k8s.api.core.v1.SecurityContext' },
          },
        },
      },
    },
  },
};
