"""Makes countries.csv out of ISO 3166, libphonenumber's metadata and the tz database.

    python3 -m venv v && v/bin/pip install phonenumbers pycountry && v/bin/python countries.py > countries.csv

A row: two letters, calling code, international prefix, national prefix, length of national numbers (empty where it
varies), leading digits that tell the country from others with its calling code (space between; empty for the main
country of a code), time zones (the first has most people of them, by the order of zone.tab), name.
"""
import random
import phonenumbers, pycountry
from phonenumbers import PhoneMetadata

random.seed(1)
NAMES = {"XK": "Kosovo", "AC": "Ascension Island", "TA": "Tristan da Cunha"}
# Places without numbers of their own use those of the country that looks after them.
BORROWED = {"AQ": "672", "BV": "47", "GS": "500", "HM": "672", "PN": "64", "TF": "262", "UM": "1"}
NO_ZONE = {"XK": ["Europe/Belgrade"], "AC": ["Atlantic/St_Helena"], "TA": ["Atlantic/St_Helena"],
           "BV": ["Etc/UTC"], "HM": ["Indian/Kerguelen"]}
# Where the first zone of zone.tab is not the one most people live in.
FIRST = {"AU": "Australia/Sydney", "BR": "America/Sao_Paulo", "CA": "America/Toronto", "ID": "Asia/Jakarta",
         "MX": "America/Mexico_City", "RU": "Europe/Moscow", "CD": "Africa/Kinshasa", "KZ": "Asia/Almaty",
         "UA": "Europe/Kyiv", "UZ": "Asia/Tashkent"}
# Where the caller chooses a carrier by the prefix: one of them.
INTERNATIONAL = {"CO": "009", "ID": "008", "KH": "001", "KR": "001", "PW": "011", "SG": "001", "TH": "001", "TW": "002",
                 "TZ": "000", "UG": "000"}

zones = {}
for line in open("/usr/share/zoneinfo/zone.tab"):
    if not line.startswith("#"):
        code, _, zone = line.split("\t")[:3]
        zones.setdefault(code, []).append(zone.strip())

LEADING = {"CC": "89162", "CX": "89164", "JE": "1534 7509 7700 7797 7829 7937", "GG": "1481 7781 7839 7911",
           "IM": "1624 7524 7624 7924", "KZ": "6 7", "EH": "5288 5289", "VA": "06698", "YT": "269 639", "AX": "18",
           "SJ": "79", "BL": "-", "MF": "-", "TA": "8", "BQ": "3 4 7"}

def lead(region):
    """The area codes of a country of the North American plan: numbers of each are tried until one is valid."""
    def where(area):
        for _ in range(40):
            number = phonenumbers.PhoneNumber(1, int(f"{area}{random.randint(2000000, 9999999)}"))
            found = phonenumbers.region_code_for_number(number)
            if found: return found
    if not AREAS: AREAS.update({area: where(area) for area in range(201, 990)})
    return [str(area) for area, found in AREAS.items() if found == region]
AREAS = {}

def known(region):
    m = PhoneMetadata.metadata_for_region(region)
    code = m.country_code
    own = phonenumbers.region_codes_for_country_code(code)
    leading = []
    if own[0] != region:
        leading = lead(region) if code == 1 else LEADING[region].split()
    international = INTERNATIONAL.get(region) or (m.preferred_international_prefix or m.international_prefix or "00")
    international = international.replace("~", "")
    if not international.isdigit():
        international = "00"
    lengths = {n for kind in (m.fixed_line, m.mobile) if kind for n in kind.possible_length}
    lengths.discard(-1)
    national = m.national_prefix or ""
    return code, international, national, lengths.pop() if len(lengths) == 1 else "", leading

rows = {c.alpha_2: getattr(c, "common_name", c.name) for c in pycountry.countries} | NAMES
for code, name in sorted(rows.items()):
    if code in BORROWED:
        base = next(r for r in phonenumbers.region_codes_for_country_code(int(BORROWED[code])))
        calling, international, national, length, leading = known(base); leading = ["-"]
    else:
        calling, international, national, length, leading = known(code)
    zs = zones.get(code) or NO_ZONE[code]
    if code in FIRST: zs = [FIRST[code]] + [z for z in zs if z != FIRST[code]]
    print(code, calling, international, national, length, " ".join(leading), " ".join(zs), name, sep=",")
