"""The names that are planted, and what is said around them.

A hundred names of people and places whose spelling their sound does not tell. The bonus was
chosen on those of even number; those of odd number are what is reported.
"""

NAMES = tuple(
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
