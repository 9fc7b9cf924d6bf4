"""A starter table of behavioural tests for a model that says whether a review is positive.

It is small on purpose: it shows what each kind of row looks like. A reader adds rows from their own field,
above all those for errors that they have seen.
"""

from trustlib.robustness.behavioural import Row

NEGATIVE, POSITIVE = "negative", "positive"

MINIMUM = {
    "vocabulary": (
        ("This film is wonderful.", POSITIVE),
        ("The story is moving and the cast is superb.", POSITIVE),
        ("I enjoyed every minute.", POSITIVE),
        ("This film is dreadful.", NEGATIVE),
        ("The story is dull and the cast is weak.", NEGATIVE),
        ("I regret every minute.", NEGATIVE),
    ),
    "negation": (
        ("This is not a good film.", NEGATIVE),
        ("I did not enjoy it at all.", NEGATIVE),
        ("Nobody could call this well made.", NEGATIVE),
        ("It was never boring.", POSITIVE),
        ("There is nothing wrong with this film.", POSITIVE),
        ("You will not be disappointed.", POSITIVE),
    ),
    "contrast with but": (
        ("The start is slow, but the film is brilliant.", POSITIVE),
        ("The plot sounds silly, but I loved it.", POSITIVE),
        ("It cost little, but it looks magnificent.", POSITIVE),
        ("The pictures are lovely, but the film is a bore.", NEGATIVE),
        ("The cast is famous, but the acting is terrible.", NEGATIVE),
        ("It means well, but it is a mess.", NEGATIVE),
    ),
    "then and now": (
        ("I used to hate this film, now I love it.", POSITIVE),
        ("I expected to be bored, and I was delighted.", POSITIVE),
        ("I used to love this film, now I hate it.", NEGATIVE),
        ("I expected to be delighted, and I was bored.", NEGATIVE),
    ),
}

# What is changed must not matter: who made the film, where it plays, a slip of the keyboard.
INVARIANCE = {
    "names": (
        ("Agnès Varda has made a warm and clever film.", "Akira Kurosawa has made a warm and clever film."),
        ("Orson Welles is wasted in this weak film.", "Toshiro Mifune is wasted in this weak film."),
        ("A fine debut by Satyajit Ray.", "A fine debut by Jane Campion."),
        ("Ingmar Bergman has done better than this.", "Ousmane Sembène has done better than this."),
    ),
    "places": (
        ("A tender story from the streets of Paris.", "A tender story from the streets of Lagos."),
        ("The scenes in Oslo are the best of the film.", "The scenes in Manila are the best of the film."),
        ("A tired thriller that is set in London.", "A tired thriller that is set in Tehran."),
        ("Nobody needs another romance in New York.", "Nobody needs another romance in Bogotá."),
    ),
    "typos": (
        ("A beautiful and touching film.", "A beautifull and toching film."),
        ("The dialogue is excellent.", "The dialouge is excelent."),
        ("This was a terrible waste of time.", "This was a terible waste of tiem."),
        ("The acting is awful.", "The acting is awfull."),
    ),
    "neutral additions": (
        ("A charming film.", "A charming film, ninety minutes long."),
        ("The jokes are funny.", "The jokes are funny. I saw it on a Tuesday."),
        ("A boring film.", "A boring film, ninety minutes long."),
        ("The jokes are stale.", "The jokes are stale. I saw it on a Tuesday."),
    ),
}

# What the change does to the probability of a positive review.
DIRECTIONAL = {
    "intensifiers": (
        ("The film is good.", "The film is extremely good.", "up"),
        ("I liked the ending.", "I really liked the ending.", "up"),
        ("The film is bad.", "The film is extremely bad.", "down"),
        ("I disliked the ending.", "I really disliked the ending.", "down"),
    ),
    "added praise or blame": (
        ("I saw it yesterday.", "I saw it yesterday. It was a joy.", "up"),
        ("The film has two parts.", "The film has two parts, and both are great.", "up"),
        ("I saw it yesterday.", "I saw it yesterday. It was a disaster.", "down"),
        ("The film has two parts.", "The film has two parts, and both are poor.", "down"),
    ),
}


def sentiment_rows() -> list[Row]:
    """Rows for `behaviour` about the classes "negative" and "positive": a list to which you add your own.

    >>> rows = sentiment_rows()
    >>> rows[0].kind, rows[0].name, rows[0].expected
    ('minimum functionality', 'vocabulary', 'positive')
    """
    return (
        [
            Row("minimum functionality", name, text, expected=expected)
            for name, pairs in MINIMUM.items()
            for text, expected in pairs
        ]
        + [
            Row("invariance", name, text, changed=changed)
            for name, pairs in INVARIANCE.items()
            for text, changed in pairs
        ]
        + [
            Row("directional", name, text, changed=changed, expected=POSITIVE, direction=direction)
            for name, triples in DIRECTIONAL.items()
            for text, changed, direction in triples
        ]
    )
