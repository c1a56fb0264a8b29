import type { MedicalRecord, Person } from './person'
import { type Random, seededRandom } from './random'

const SURNAMES = [
  ...['Smith', 'Jones', 'Garcia', 'Müller', 'Novak', 'Rossi', 'Kowalski', 'Silva', 'Dubois'],
  ...['Andersen', 'Nguyen', 'Okafor', 'Yilmaz', 'Haddad', 'Cohen', 'Tanaka', 'Kim', 'Singh'],
  ...['Baker', 'Moreau', 'Fischer', 'Virtanen', 'Popescu', 'Horvath', "O'Brien", 'Larsen', 'Ito'],
  ...['Mbeki', 'Sato', 'Weber', 'Quist', 'Underhill', 'Xavier', 'Zamora', 'Eriksson', 'Lovelace'],
]
const GIVEN_NAMES = [
  ...['Ada', 'Noor', 'Luca', 'Mia', 'Jan', 'Zoë', 'Amir', 'Chen', 'Eva', 'Finn', 'Grace', 'Hugo'],
  ...['Ines', 'Jonas', 'Kofi', 'Lena', 'Marie', 'Nils', 'Olga', 'Paul', 'Rosa', 'Sven', 'Tess'],
]
const WARDS = ['A1', 'A2', 'B1', 'B2', 'C1']
const BLOOD_GROUPS = ['O+', 'A+', 'B+', 'O-', 'A-', 'AB+', 'B-', 'AB-']
const ALLERGIES = ['penicillin', 'pollen', 'peanuts', 'latex', 'lactose', 'nickel']
/** Latitude and longitude, the largest first. */
const CITIES = [
  ...[[51.507, -0.128] as const, [48.857, 2.352] as const, [52.52, 13.405] as const],
  ...[[40.417, -3.704] as const, [41.903, 12.496] as const, [59.329, 18.069] as const],
  ...[[-33.869, 151.209] as const, [-23.551, -46.633] as const, [35.69, 139.692] as const],
]
const DAY_MS = 86_400_000

/** People who do not exist, the same ones in every run: the plaintext that answers are checked against. */
export function seedPeople(count: number): Person[] {
  const random = seededRandom(1815)
  return Array.from({ length: count }, (_, index) => makePerson(index + 1, random))
}

function makePerson(id: number, random: Random): Person {
  const givenName = random.pick(GIVEN_NAMES)
  const surname = random.pickSkewed(SURNAMES)
  const [latitude, longitude] = random.pickSkewed(CITIES)
  return {
    id,
    ward: random.pick(WARDS),
    givenName,
    surname,
    email: `${ascii(givenName)}.${ascii(surname)}.${id}@Example.org`,
    // Log-normal, median 38,000: a few earn far more than most, so their buckets are nearly empty.
    income: Math.round(38_000 * Math.exp(0.6 * random.normal())),
    birthDate: calendarDate(Date.UTC(1930, 0, 1) + random.below(80 * 365) * DAY_MS),
    latitude: nearby(latitude, random),
    longitude: nearby(longitude, random),
    record: random.below(10) === 0 ? null : makeRecord(random),
  }
}

function makeRecord(random: Random): MedicalRecord {
  return {
    bloodGroup: random.pickSkewed(BLOOD_GROUPS),
    allergies: ALLERGIES.filter(() => random.below(6) === 0),
    visits: random.below(20),
  }
}

function nearby(degrees: number, random: Random): number {
  return Number((degrees + 0.15 * random.normal()).toFixed(5))
}

function calendarDate(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

function ascii(name: string): string {
  return name.normalize('NFD').replace(/[^A-Za-z]/g, '')
}
