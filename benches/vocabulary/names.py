"""The names that are planted, and what is said around them.

Names whose spelling their sound does not tell, in three lists: the bonus and its limits are
chosen on the first alone, with the common names listed beside it or not; the second was looked
at in between, the third is for what was chosen.
"""

_PEOPLE_AND_PLACES = tuple(
    """Siobhan Nguyen Joaquin Saoirse Xochitl Worcester Ypsilanti Tchaikovsky Oisin Zbigniew
    Caoimhe Okonkwo Padraig Schuylkill Llewellyn Kowalczyk Niamh Poughkeepsie Bjorn Przybylski
    Aoife Wojciech Leominster Thibodeaux Eilidh Gonzalez Natchitoches Agnieszka Cholmondeley Rajagopalan
    Isolde Krzysztof Tucson Guadalupe Ngozi Featherstonehaugh Yosemite Anneliese Ruaridh Skaneateles
    Dmitri Chisinau Maeve Ouagadougou Tadhg Reykjavik Ingeborg Szczecin Beauchamp Mahalakshmi
    Ljubljana Hermione Abuja Gwyneth Mackinac Imogen Antananarivo Philippa Quetzal Bartholomew
    Oaxaca Thackeray Nairobi Ekaterina Schenectady Bronagh Tallahassee Vashti Kyrgyzstan Ottoline
    Yevgeny Puyallup Ffion Bratislava Calliope Murakami Ticonderoga Zsofia Kiribati Esperanza
    Sequim Leocadia Tsvangirai Winnipesaukee Fionnuala Papadopoulos Aberystwyth Chimamanda Okeechobee Rhiannon
    Thessaloniki Marguerite Adebayo Wroclaw Persephone Chattahoochee Dubrovnik Iolanthe Monongahela Kaczmarek""".split()  # noqa: SIM905
)

TUNING = _PEOPLE_AND_PLACES[0::2]
SEEN = _PEOPLE_AND_PLACES[1::2]
FRESH = tuple(
    """Levothyroxine Eoghan Guillermo Edinburgh Amoxicillin Ihsan Muireann Ibuprofen Yaroslav Albuquerque
    Bhattacharya Metformin Sinead Duquesne Hyderabad Tramadol Giuseppe Blathnaid Pembrokeshire Atorvastatin
    Nkechi Vladivostok Omeprazole Thuy Jurgen Hawkesbury Warfarin Xiaoming Aurelien Lisinopril
    Cuauhtemoc Magdalene Doxycycline Szymanski Keynsham Penelope Gabapentin Iphigenia Mogadishu Clopidogrel
    Leicestershire Rosalind Sertraline Kamala Versailles Citalopram Takahashi Valparaiso Prednisolone
    Gwendolyn""".split()  # noqa: SIM905
)
"""Medicines among them."""

COMMON = tuple(
    """Naomi Jeremiah Harmony Henrietta Herbert Hermann Andrea Andrew Anderson Eleanor Elizabeth Evelyn Everett Everton
    Emily Emmanuel Margaret Martin Matilda Michael Mitchell Nicholas Natalie Nathaniel Oliver Olivia Patricia
    Patrick Peter Rachel Rebecca Richard Robert Samantha Samuel Sebastian Stephanie Stephen Susanna Thomas Timothy
    Valerie Veronica Victoria Vincent Virginia Walter William Winston Zachary Charlotte Christopher Catherine
    Caroline Benjamin Bernard Beatrice Barbara Arthur Antonia Angela Alexander Adrian Abigail Daniel David Deborah
    Dominic Dorothy Florence Frances Frederick Gabriel Geoffrey George Geraldine Gloria Gregory Hannah Harriet
    Helena Isabella Jacqueline Jennifer Jessica Jonathan Josephine Judith Julia Katherine Kenneth Lawrence Leonard
    Lillian Lucinda Madeleine Malcolm Marianne London Manchester Birmingham Liverpool Bristol Sheffield Leeds Oxford
    Cambridge Brighton Paris Berlin Vienna Madrid Lisbon Athens Dublin Belfast Cardiff Glasgow Toronto Chicago
    Boston Dallas Denver Detroit Houston Memphis Montana Nevada Oregon Phoenix Aspirin Paracetamol Penicillin
    Insulin Morphine Codeine Valium Ventolin""".split()  # noqa: SIM905
)
"""People, towns and medicines that a model writes in a token or two: listed and never said."""

CARRIERS = (
    "We had dinner with {} on Friday evening.",
    "I got a letter about {} this morning.",
    "Please tell {} that the train is late.",
    "Everybody was talking about {} again.",
    "My sister wants to see {} in the summer.",
)
"""Names of people and of places fit alike, well enough."""

WITHOUT = (
    "The children were playing in the garden until it rained.",
    "Could you pass me the salt and the pepper please.",
    "He said that the meeting was moved to Thursday afternoon.",
    "There is nothing better than a cup of tea in the morning.",
    "My brother sold his old car and bought a bicycle.",
    "The doctor told her to rest for a week or two.",
    "We should leave before noon or we will miss the boat.",
    "She never liked the colour of the kitchen walls.",
    "They have been waiting for an answer since last month.",
    "Turn left at the church and go on to the bridge.",
)
"""Sentences with no name in them."""

VOICES = ("en-us", "en-gb", "en-gb-scotland", "en-us+f3", "en-gb+f4")
WORDS_A_MINUTE = (140, 170)
