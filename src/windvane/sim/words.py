"""The words of a simulated shop, in English and Chinese: categories, things, brands, places, what reviewers say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Leaf:
    """One category: its path, what is sold in it, and the money and sizes that are usual."""

    path: str
    things: tuple[str, ...]
    kinds: tuple[str, ...]
    sizes: tuple[str, ...]
    price: float


@dataclass(frozen=True)
class Words:
    """Everything that is said in one language."""

    leaves: tuple[Leaf, ...]
    brands: tuple[str, ...]
    successor: str
    places: tuple[tuple[str, str], ...]
    country: str
    currency: str
    suppliers: tuple[str, ...]
    channels: tuple[str, ...]
    promotions: tuple[tuple[str, float], ...]
    livestream: str
    live_channel: str
    good: tuple[str, ...]
    poor: tuple[str, ...]
    fake: tuple[str, ...]
    colours: tuple[str, ...]
    describe: str
    own_event: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds of promotions, the livestream last."""
        return (*(name for name, _ in self.promotions), self.livestream)


EN = Words(
    leaves=(
        Leaf("Home > Kitchen", ("Frying Pan", "Storage Jar", "Chef Knife", "Tea Towel", "Mixing Bowl"),
             ("Non-stick", "Glass", "Steel", "Linen"), ("20 cm", "24 cm", "28 cm", "set of 3"), 22.0),
        Leaf("Home > Lighting", ("Desk Lamp", "Night Light", "String Lights", "Lantern"),
             ("Warm White", "Dimmable", "Rechargeable"), ("small", "medium", "large"), 28.0),
        Leaf("Fashion > Women", ("Knit Cardigan", "Linen Dress", "Cotton Blouse", "Wool Scarf"),
             ("Relaxed", "Cropped", "Striped"), ("S", "M", "L", "XL"), 39.0),
        Leaf("Fashion > Men", ("Oxford Shirt", "Chino Trousers", "Hooded Sweatshirt", "Leather Belt"),
             ("Slim", "Regular", "Washed"), ("S", "M", "L", "XL"), 42.0),
        Leaf("Beauty > Skin Care", ("Sun Cream", "Face Serum", "Hand Cream", "Clay Mask"),
             ("Hydrating", "Fragrance-free", "Vitamin C"), ("30 ml", "50 ml", "100 ml"), 18.0),
        Leaf("Beauty > Hair", ("Shampoo Bar", "Hair Oil", "Detangling Brush"),
             ("Argan", "Volume", "Gentle"), ("100 ml", "250 ml", "400 ml"), 12.0),
        Leaf("Grocery > Snacks", ("Almond Biscuits", "Dark Chocolate", "Trail Mix", "Rice Crackers"),
             ("Organic", "Sea Salt", "Unsweetened"), ("100 g", "250 g", "500 g"), 6.0),
        Leaf("Grocery > Drinks", ("Green Tea", "Ground Coffee", "Elderflower Cordial"),
             ("Organic", "Decaf", "Single Origin"), ("100 g", "250 g", "1 kg"), 9.0),
        Leaf("Electronics > Audio", ("Wireless Earbuds", "Bluetooth Speaker", "Headphone Stand"),
             ("Waterproof", "Noise Cancelling", "Compact"), ("black", "white", "blue"), 59.0),
        Leaf("Electronics > Charging", ("USB-C Cable", "Power Bank", "Wall Charger"),
             ("Braided", "Fast", "Travel"), ("1 m", "2 m", "65 W"), 19.0),
        Leaf("Toys > Puzzles", ("Wooden Puzzle", "Building Blocks", "Card Game"),
             ("Farm", "Space", "Alphabet"), ("24 pieces", "100 pieces", "500 pieces"), 16.0),
        Leaf("Garden > Pots", ("Planter", "Watering Can", "Seed Tray"),
             ("Terracotta", "Zinc", "Self-watering"), ("10 cm", "20 cm", "5 l"), 14.0),
    ),
    brands=("Northlight", "Oak & Ivy", "Pellow", "Marrow", "Kitebird", "Tallis", "Umber", "Fennimore", "Quillon", ""),
    successor="2nd generation",
    places=(("Leeds warehouse", "North"), ("Bristol warehouse", "South West"), ("London store", "London"),
            ("Glasgow store", "Scotland"), ("Cardiff store", "Wales")),
    country="GB",
    currency="GBP",
    suppliers=("Harbour Trading", "Mill Lane Goods", "Eastway Imports", "Brook & Sons"),
    channels=("search", "direct", "email", "social", "marketplace"),
    promotions=(("price cut", 0.0), ("display", 0.35), ("email", 0.25), ("coupon", 0.15)),
    livestream="livestream",
    live_channel="livestream",
    good=("Exactly as described, very happy with it.", "Good quality, arrived quickly.", "Bought it twice already.",
          "Does what it should. Would buy again.", "A present for my sister, she loves it."),
    poor=("Broke after two weeks.", "Smaller than in the picture, disappointed.", "Late, and the box was damaged.",
          "Not worth the money.", "Colour is different from the photo."),
    fake=("Great!!!", "Very good product, five stars", "Best shop ever, recommend"),
    colours=("black", "white", "blue", "green", "red", "natural"),
    describe="{kind} {thing}, {size}. Made to last; easy to care for.",
    own_event="Anniversary sale",
)  # fmt: skip

ZH = Words(
    leaves=(
        Leaf("家居 > 厨房用品", ("平底锅", "密封罐", "菜刀", "保温杯", "打蛋盆"),
             ("不粘", "玻璃", "304不锈钢", "加厚"), ("20cm", "24cm", "28cm", "三件套"), 69.0),
        Leaf("家居 > 灯具", ("护眼台灯", "小夜灯", "氛围串灯", "露营灯"),
             ("充电款", "无极调光", "暖光"), ("小号", "中号", "大号"), 89.0),
        Leaf("女装 > 上衣", ("针织开衫", "衬衫", "卫衣", "羊毛围巾"),
             ("宽松", "法式", "条纹"), ("S", "M", "L", "XL"), 129.0),
        Leaf("男装 > 裤装", ("休闲裤", "牛仔裤", "运动裤", "短裤"),
             ("直筒", "修身", "加绒"), ("30", "32", "34", "36"), 139.0),
        Leaf("美妆 > 护肤", ("防晒霜", "精华液", "护手霜", "补水面膜"),
             ("烟酰胺", "温和", "玻尿酸"), ("30ml", "50ml", "10片装"), 79.0),
        Leaf("个护 > 洗发", ("洗发水", "护发素", "气垫梳"),
             ("控油", "柔顺", "氨基酸"), ("250ml", "500ml", "旅行装"), 49.0),
        Leaf("食品 > 零食", ("每日坚果", "牛肉干", "苏打饼干", "辣条"),
             ("原味", "无添加", "香辣"), ("100g", "250g", "500g"), 29.0),
        Leaf("食品 > 茶饮", ("龙井茶", "挂耳咖啡", "枸杞", "冻干柠檬片"),
             ("明前", "特级", "冷萃"), ("50g", "100g", "20包"), 58.0),
        Leaf("数码 > 耳机", ("蓝牙耳机", "头戴式耳机", "音箱"),
             ("降噪", "防水", "迷你"), ("黑色", "白色", "蓝色"), 199.0),
        Leaf("数码 > 充电", ("数据线", "充电宝", "充电头"),
             ("编织", "快充", "自带线"), ("1米", "2米", "65W"), 49.0),
        Leaf("母婴 > 玩具", ("积木", "拼图", "绘本", "毛绒玩偶"),
             ("益智", "木质", "双语"), ("24块", "100块", "礼盒装"), 59.0),
        Leaf("园艺 > 花盆", ("花盆", "洒水壶", "营养土"),
             ("陶瓷", "自吸水", "加厚"), ("小号", "大号", "5升"), 25.0),
    ),
    brands=("云栖", "青禾", "木子家", "澜山", "小满记", "北岸", "拾光", "谷雨", "南巷", ""),
    successor="升级款",
    places=(("杭州仓", "华东"), ("广州仓", "华南"), ("成都仓", "西南"), ("北京仓", "华北"), ("武汉仓", "华中")),
    country="CN",
    currency="CNY",
    suppliers=("义乌恒达商贸", "广州盛源实业", "余姚金泰塑业", "晋江百顺鞋服"),
    channels=("搜索", "直播", "推荐", "活动会场", "店铺首页"),
    promotions=(("直降", 0.0), ("直播", 0.5), ("首页展示", 0.3), ("优惠券", 0.15)),
    livestream="直播专场",
    live_channel="直播",
    good=("和描述一样,很满意。", "质量不错,物流也快。", "已经是第二次买了,推荐。",
          "客服态度好,东西实用。", "送人的,对方很喜欢。"),
    poor=("用了两周就坏了,失望。", "比图片小很多,不值这个价。", "快递太慢,包装都破了。",
          "有异味,不推荐。", "颜色和照片不一样,退货了。"),
    fake=("好好好!!!", "宝贝非常好,五星好评", "卖家很好,以后还来"),
    colours=("黑色", "白色", "蓝色", "绿色", "红色", "原木色"),
    describe="{kind}{thing},{size}。结实耐用,容易打理。",
    own_event="店庆",
)  # fmt: skip


def words(language: str) -> Words:
    """The words of a language, "en" or "zh"."""
    return ZH if language == "zh" else EN
