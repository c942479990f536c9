"""Well-known facts with a well-known other city: what a passage can agree with, or contradict.

Facts of general knowledge; the sentences around them are ours.
"""

from __future__ import annotations

__all__ = ["CAPITALS", "PASSAGES", "QUESTIONS"]

CAPITALS = (
    ("France", "Paris", "Lyon"),
    ("Germany", "Berlin", "Hamburg"),
    ("Italy", "Rome", "Milan"),
    ("Spain", "Madrid", "Barcelona"),
    ("Portugal", "Lisbon", "Porto"),
    ("Austria", "Vienna", "Salzburg"),
    ("Greece", "Athens", "Patras"),
    ("Poland", "Warsaw", "Gdansk"),
    ("Hungary", "Budapest", "Debrecen"),
    ("Sweden", "Stockholm", "Malmo"),
    ("Norway", "Oslo", "Bergen"),
    ("Denmark", "Copenhagen", "Aarhus"),
    ("Finland", "Helsinki", "Turku"),
    ("Ireland", "Dublin", "Cork"),
    ("Russia", "Moscow", "Kazan"),
    ("Ukraine", "Kyiv", "Odesa"),
    ("Romania", "Bucharest", "Cluj"),
    ("Japan", "Tokyo", "Osaka"),
    ("China", "Beijing", "Shanghai"),
    ("India", "New Delhi", "Mumbai"),
    ("Thailand", "Bangkok", "Phuket"),
    ("Iran", "Tehran", "Shiraz"),
    ("Iraq", "Baghdad", "Basra"),
    ("Egypt", "Cairo", "Alexandria"),
    ("Morocco", "Rabat", "Casablanca"),
    ("Kenya", "Nairobi", "Mombasa"),
    ("Ghana", "Accra", "Kumasi"),
    ("Ethiopia", "Addis Ababa", "Gondar"),
    ("Canada", "Ottawa", "Toronto"),
    ("Mexico", "Mexico City", "Puebla"),
    ("Cuba", "Havana", "Trinidad"),
    ("Brazil", "Brasilia", "Recife"),
    ("Argentina", "Buenos Aires", "Rosario"),
    ("Chile", "Santiago", "Valparaiso"),
    ("Peru", "Lima", "Cusco"),
    ("Colombia", "Bogota", "Cali"),
    ("Australia", "Canberra", "Sydney"),
    ("Turkey", "Ankara", "Izmir"),
    ("Vietnam", "Hanoi", "Hue"),
    ("Nepal", "Kathmandu", "Pokhara"),
)
"""Country, capital, another of its cities."""
QUESTIONS = (
    "What is the capital of {country}?",
    "Which city is the capital of {country}?",
    "In which city does the government of {country} sit?",
)
PASSAGES = (
    (
        "{country} is governed from {city}. The ministries moved there long ago, "
        "and the city has been the capital ever since."
    ),
    (
        "Travellers to {country} usually begin in {city}, its capital. "
        "The old town and the parliament can be visited on foot."
    ),
    (
        "The capital of {country} is {city}. "
        "It is known for its markets and for a bridge that every postcard shows."
    ),
    (
        "When people speak of the capital of {country} they mean {city}, "
        "where the head of state has an office."
    ),
)
