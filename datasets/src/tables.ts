/**
 * @file The small tables of this package: where each file is, how it is to be read, what is to be predicted.
 * In: a name. Out: paths and column names; nothing is parsed here.
 *
 * const { path, columns, target } = table('iris')
 */
import { fileURLToPath } from 'node:url'

export interface TableInfo {
  readonly name: string
  /** Absolute path of the (training) file. */
  readonly path: string
  /** Absolute path of the separate test file, where the authors made one. */
  readonly test?: string
  /** Column names, where the file itself does not give them. */
  readonly columns?: readonly string[]
  /** Class names in the order of the labels 0, 1, ..., where the file has numbers only. */
  readonly classes?: readonly string[]
  readonly target: string
  readonly task: 'classification' | 'regression'
  /** One line: what a row is. */
  readonly about: string
}

type Entry = Omit<TableInfo, 'name' | 'path' | 'test'> & { readonly file: string; readonly testFile?: string }

const wine =
  'alcohol malic_acid ash alcalinity_of_ash magnesium total_phenols flavanoids nonflavanoid_phenols proanthocyanins color_intensity hue od280_od315 proline class'
const cell =
  'radius texture perimeter area smoothness compactness concavity concave_points symmetry fractal_dimension'.split(' ')
const adult =
  'age workclass fnlwgt education education-num marital-status occupation relationship race sex capital-gain capital-loss hours-per-week native-country income'
const pixels = Array.from({ length: 64 }, (_, i) => `pixel_${Math.floor(i / 8)}_${i % 8}`)

const entries = {
  iris: {
    file: 'iris/iris.csv',
    columns: ['sepal_length', 'sepal_width', 'petal_length', 'petal_width', 'species'],
    classes: ['setosa', 'versicolor', 'virginica'],
    target: 'species',
    task: 'classification',
    about: 'a flower: four lengths in cm, three species',
  },
  wine: {
    file: 'wine/wine_data.csv',
    columns: wine.split(' '),
    classes: ['class_0', 'class_1', 'class_2'],
    target: 'class',
    task: 'classification',
    about: 'a wine: thirteen chemical measures, three cultivars',
  },
  'breast-cancer': {
    file: 'breast-cancer/breast_cancer.csv',
    columns: [
      ...['mean', 'error', 'worst'].flatMap((kind) => cell.map((measure) => `${kind}_${measure}`)),
      'diagnosis',
    ],
    classes: ['malignant', 'benign'],
    target: 'diagnosis',
    task: 'classification',
    about: 'a tumour: thirty measures of its cells, malignant or benign',
  },
  penguins: {
    file: 'penguins/penguins.csv',
    target: 'species',
    task: 'classification',
    about: 'a penguin: four measures, island and sex, three species',
  },
  'digits-8x8': {
    file: 'digits-8x8/digits.csv.gz',
    columns: [...pixels, 'digit'],
    target: 'digit',
    task: 'classification',
    about: 'a handwritten digit: 8×8 pixels of 0..16',
  },
  adult: {
    file: 'adult/adult.data',
    testFile: 'adult/adult.test',
    columns: adult.split(' '),
    target: 'income',
    task: 'classification',
    about: 'a person in the census of 1994: income above 50,000 dollars or not',
  },
  'wine-quality-red': {
    file: 'wine-quality/winequality-red.csv',
    target: 'quality',
    task: 'regression',
    about: 'a red wine: eleven measures, a score of 3..8',
  },
  'wine-quality-white': {
    file: 'wine-quality/winequality-white.csv',
    target: 'quality',
    task: 'regression',
    about: 'a white wine: eleven measures, a score of 3..9',
  },
  'california-housing': {
    file: 'california-housing/housing.csv',
    target: 'median_house_value',
    task: 'regression',
    about: 'a census block: place, age, rooms, people, income; median house value',
  },
  'auto-mpg': {
    file: 'auto-mpg/mpg.csv',
    target: 'mpg',
    task: 'regression',
    about: 'a car: engine, weight, year; miles per gallon',
  },
} as const satisfies Record<string, Entry>

export type TableName = keyof typeof entries

/** The names `table` knows. */
export const tables = Object.keys(entries) as readonly TableName[]

/** Where a table is and how to read it. Throws RangeError for an unknown name, listing the known ones. */
export function table(name: TableName): TableInfo {
  if (!Object.hasOwn(entries, name))
    throw new RangeError(`table: there is no '${name}'; there are ${tables.join(', ')}`)
  const { file, testFile, ...rest }: Entry = entries[name]
  return { name, path: locate(file), ...(testFile ? { test: locate(testFile) } : {}), ...rest }
}

function locate(file: string): string {
  return fileURLToPath(new URL(`../data/${file}`, import.meta.url))
}
