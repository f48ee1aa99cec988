// The house of docs/architecture.md: imports point down the floors, never up, never in a circle.
const floors = [
  ['base'],
  ['numerics'],
  ['graph', 'kernel'],
  ['transform', 'emit'],
  ['trace', 'lower'],
  ['nn', 'loss', 'optim', 'metrics', 'runtime'],
  ['settings.ts'],
  ['compile.ts'],
  ['explain.ts', 'lazy.ts'],
  ['diagnosis'],
  ['specialize.ts'],
  ['step.ts'],
  ['data', 'io', 'train'],
  ['watch'],
  ['cli'],
]
const path = (name) => `^src/${name.replace('.', '\\.')}${name.endsWith('.ts') ? '$' : '/'}`
/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-orphans-from-outside',
      severity: 'error',
      from: { path: '^src' },
      to: { path: '^(test|examples|benchmarks|scripts|datasets)/' },
    },
    // Nothing is above the top floor; an empty list would forbid everything.
    ...floors.slice(0, -1).flatMap((floor, i) =>
      floor.map((name) => ({
        name: `${name}-imports-down`,
        severity: 'error',
        from: { path: path(name) },
        to: {
          path: floors
            .slice(i + 1)
            .flat()
            .map(path),
        },
      })),
    ),
    // The two towers meet only in compile.ts.
    {
      name: 'model-side-sees-no-machine',
      severity: 'error',
      from: { path: '^src/(trace|nn|loss|optim|metrics)/' },
      to: { path: '^src/(kernel|lower|emit|runtime)/' },
    },
    {
      name: 'machine-side-sees-no-model',
      severity: 'error',
      from: { path: '^src/(kernel|lower|emit|runtime)/' },
      to: { path: '^src/(trace|nn|loss|optim|metrics)/' },
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    // The page is a program of its own, which the parser does not read (tsx).
    exclude: { path: '^src/watch/page/' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
}
