"""The same two sentences in many languages, written for these tests, and columns made of them."""

import numpy as np

SAID = {
    "en": ("The room was clean and the people were friendly.", "Breakfast was cold and we had to wait for an hour."),
    "de": ("Das Zimmer war sauber und die Leute waren freundlich.", "Das Frühstück war kalt, und wir warteten lange."),
    "fr": (
        "La chambre était propre et les gens étaient aimables.",
        "Le petit déjeuner était froid et trop cher pour nous.",
    ),
    "es": (
        "La habitación estaba limpia y la gente era amable.",
        "El desayuno estaba frío y tuvimos que esperar mucho.",
    ),
    "pt": (
        "O quarto estava limpo e as pessoas eram simpáticas.",
        "O café da manhã não estava quente e esperamos muito.",
    ),
    "it": ("La camera era pulita e le persone erano gentili.", "La colazione era fredda e abbiamo aspettato un'ora."),
    "nl": ("De kamer was schoon en de mensen waren vriendelijk.", "Het ontbijt was koud en we moesten lang wachten."),
    "sv": ("Rummet var rent och människorna var mycket vänliga.", "Frukosten var kall och vi fick vänta i en timme."),
    "da": (
        "Værelset var rent, og folk var meget venlige mod os.",
        "Morgenmaden var kold, og vi måtte vente en hel time.",
    ),
    "fi": ("Huone oli puhdas ja ihmiset olivat ystävällisiä.", "Aamiainen oli kylmä ja jouduimme odottamaan tunnin."),
    "pl": ("Pokój był czysty, a ludzie byli bardzo uprzejmi.", "Śniadanie było zimne i musieliśmy czekać godzinę."),
    "cs": ("Pokoj byl čistý a lidé byli velmi přátelští.", "Snídaně byla studená a museli jsme hodinu čekat."),
    "hu": ("A szoba tiszta volt és az emberek kedvesek voltak.", "A reggeli hideg volt és egy órát kellett várnunk."),
    "tr": ("Oda temizdi ve insanlar bize karşı çok nazikti.", "Kahvaltı soğuktu ve bir saat beklemek zorunda kaldık."),
    "vi": ("Căn phòng sạch sẽ và mọi người rất thân thiện.", "Bữa sáng bị nguội và chúng tôi phải đợi một tiếng."),
    "id": ("Kamarnya bersih dan orang-orangnya ramah sekali.", "Sarapannya dingin dan kami harus menunggu satu jam."),
    "ru": ("Номер был чистым, а люди очень приветливыми.", "Завтрак был холодным, и нам пришлось долго ждать."),
    "uk": ("Кімната була чистою, а люди дуже привітними.", "Сніданок був холодний, і нам довелося довго чекати."),
    "bg": ("Стаята беше чиста и хората бяха много любезни.", "Закуската беше студена и трябваше да чакаме един час."),
    "el": ("Το δωμάτιο ήταν καθαρό και οι άνθρωποι ευγενικοί.", "Το πρωινό ήταν κρύο και περιμέναμε μία ώρα."),
    "he": ("החדר היה נקי והאנשים היו נחמדים מאוד.", "ארוחת הבוקר הייתה קרה וחיכינו שעה."),
    "ar": ("كانت الغرفة نظيفة وكان الناس لطفاء جدا معنا.", "كان الفطور باردا واضطررنا إلى الانتظار ساعة كاملة."),
    "fa": ("اتاق تمیز بود و مردم خیلی مهربان بودند.", "صبحانه سرد بود و مجبور شدیم یک ساعت منتظر بمانیم."),
    "hi": ("कमरा साफ था और लोग बहुत मिलनसार थे।", "नाश्ता ठंडा था और हमें एक घंटे तक इंतज़ार करना पड़ा।"),
    "th": ("ห้องสะอาดและผู้คนเป็นมิตรมาก", "อาหารเช้าเย็นชืดและเราต้องรอหนึ่งชั่วโมง"),
    "ko": ("방은 깨끗했고 사람들은 매우 친절했습니다.", "아침 식사는 차가웠고 한 시간을 기다려야 했습니다."),
    "ja": ("部屋は清潔で、人々はとても親切でした。", "朝食は冷めていて、一時間も待たされました。"),
    "zh": ("房间很干净，人们也非常友好。", "早餐是凉的，我们不得不等了一个小时。"),
}
NOUNS = {
    "en": ("room", "station", "garden", "teacher", "kitchen", "letter", "window", "bridge", "market", "doctor"),
    "de": ("Zimmer", "Bahnhof", "Garten", "Lehrer", "Küche", "Brief", "Fenster", "Brücke", "Markt", "Arzt"),
    "fr": ("chambre", "gare", "jardin", "professeur", "cuisine", "lettre", "fenêtre", "pont", "marché", "médecin"),
}
FRAMES = {
    "en": ("We could not find the {} that they had told us about",
           "There is nothing better than this {} in the evening",
           "Why did nobody ask for the {} before we left", "They have always been happy with their old {}"),
    "de": ("Wir haben von {} nichts gehört und auch nichts gesehen",
           "Es gibt hier leider nichts Besseres als {} am Abend",
           "Warum hat niemand nach {} gefragt, bevor wir gingen", "Sie sind schon immer mit {} zufrieden gewesen"),
    "fr": ("Nous n'avons jamais trouvé de {} comme on nous avait dit",
           "Il n'y a rien de mieux que {} quand vient le soir",
           "Pourquoi personne n'a demandé {} avant notre départ", "Ils ont toujours été très contents de leur {}"),
}  # fmt: skip


def column(language: str, rows: int, seed: int = 0) -> list[str]:
    """Texts of one to three different sentences in a language of FRAMES."""
    random = np.random.default_rng([seed, len(language), ord(language[0])])
    texts = []
    for _ in range(rows):
        chosen = random.choice(len(FRAMES[language]), random.integers(1, 4), replace=False)
        said = [FRAMES[language][k].format(random.choice(NOUNS[language])) for k in chosen]
        texts.append(". ".join(said) + f" {random.integers(1000)}.")
    return texts
